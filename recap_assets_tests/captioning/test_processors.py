from __future__ import annotations

from typing import Any

import pytest
from transformers import GenerationConfig

from recap_assets.captioning.generate import caption
from recap_assets.captioning.processors import check
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.pictures import images, small, walls

REFUSED: list[dict[str, Any]] = [
    {"guidance_scale": 3.0},
    {"encoder_repetition_penalty": 1.2},
    {"encoder_no_repeat_ngram_size": 3},
    {"stop_strings": ["."]},
    {"penalty_alpha": 0.6},
    {"max_time": 1.0},
]


@pytest.mark.parametrize("asked", REFUSED, ids=lambda asked: next(iter(asked)))
def test_what_is_not_done_is_refused_and_not_passed_over(asked: dict[str, Any]) -> None:
    captioner = small()
    captioner.family.generation.update(**asked)
    (name,) = asked
    with pytest.raises(UserError, match=f"asks for {name}=.* not supported; remove it there"):
        caption(captioner, images(walls()), {"a": ("", 3)})


def test_beams_sampling_and_what_changes_nothing_are_not_refused() -> None:
    usual = {"num_beams": 3, "do_sample": True, "temperature": 0.7, "top_k": 20, "top_p": 0.8}
    idle = {"guidance_scale": 1.0, "encoder_repetition_penalty": 1.0, "length_penalty": 2.0}
    check(GenerationConfig(**usual, **idle), "x")
