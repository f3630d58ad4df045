from __future__ import annotations

import json

import pytest

from recap_assets.evaluation.audit import audit
from recap_assets.evaluation.lexicon import Lexicon

LEXICON = Lexicon.build({"red circle": ["red circle"], "blue square": ["blue square"]})
CAPTIONS = ["a red circle", "a blue square and a red circle"] * 8
TRUTHS = [{"red circle"}, {"red circle"}] * 8
PROMPTS = ["draw one green star"] * 12


def test_everything_at_once_and_ready_for_json() -> None:
    found = audit(
        "short",
        CAPTIONS,
        PROMPTS,
        {"ok": 15, "error": 1},
        truths=TRUTHS,
        lexicon=LEXICON,
        token_counts=[5, 80] * 8,
        token_limit=77,
    )
    assert json.loads(json.dumps(found)) == found
    assert found["style"] == "short"
    assert found["statuses"] == {"error": 1, "ok": 15}
    assert found["n"] == 16
    assert found["over_limit"] == 0.5
    assert (found["object_recall"], found["chair_s"]) == (1.0, 0.5)
    assert found["chair_i"] == pytest.approx(1 / 3)
    assert found["c2st"] == 1.0
    assert found["c2st_length_matched"] == 1.0


def test_what_is_unknown_is_none_and_the_keys_stay() -> None:
    full = audit("s", CAPTIONS, PROMPTS, {}, truths=TRUTHS, lexicon=LEXICON, token_limit=77)
    bare = audit("s", [], [], {})
    assert list(full) == list(bare)
    unknown = {key for key, value in bare.items() if value is None}
    assert {"object_recall", "chair_i", "chair_s", "c2st", "over_limit", "words_mean"} <= unknown
    no_lexicon = audit("s", CAPTIONS, PROMPTS, {}, truths=TRUTHS)
    assert no_lexicon["chair_i"] is None
