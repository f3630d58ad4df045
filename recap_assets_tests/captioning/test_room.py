from __future__ import annotations

import pytest

from recap_assets.captioning.question import Question
from recap_assets.captioning.room import Rooms
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.pictures import small

FAMILY = small().family
#: 24 positions hold the start, the words of the prompt, and the caption.
PROMPTS = ["", "a red wall", "a " * 30]


def test_a_long_prompt_leaves_less_room_and_one_too_long_none() -> None:
    question = Question("long", PROMPTS, 22, [0] * 3)
    rooms = Rooms(FAMILY, [question])
    assert [rooms.limit(question, place) for place in range(3)] == [22, 20, 0]


def test_a_limit_that_no_prompt_leaves_is_told_with_one_that_fits() -> None:
    question = Question("long", PROMPTS[1:], 21, [0] * 2)
    with pytest.raises(UserError, match=r"'long': max_tokens 21 .* lower max_tokens to 20"):
        Rooms(FAMILY, [question])
