from __future__ import annotations

import math

import polars as pl
import pytest

from recap_assets.evaluation.scores import SCHEMA, score
from recap_assets.experiment.errors import UserError
from recap_assets_tests.evaluation.judged import asks, at

PROMPT = asks("p1", {"a": 2, "b": 1}, ("a", "left", "b"))
PLAIN = asks("p0", {})


def test_the_schema_is_frozen() -> None:
    assert {name: str(kind) for name, kind in SCHEMA.items()} == {
        "arm": "String",
        "prompt_id": "String",
        "sample": "Int32",
        "metric": "String",
        "label": "String",
        "value": "Float64",
    }
    assert dict(score("base", [PLAIN], [[[]]]).schema) == SCHEMA


def test_every_score_of_two_samples_by_hand() -> None:
    good = [at("a", 10, 20), at("a", 10, 40), at("b", 50, 30)]
    poor = [at("a", 10, 20), at("c", 10, 40)]
    frame = score("long", [PLAIN, PROMPT], [[[]], [good, poor]])
    assert set(frame["arm"]) == {"long"}
    assert set(frame["prompt_id"]) == {"p1"}, "a prompt without objects has no scores"
    rows = {(s, m, label): v for _, _, s, m, label, v in frame.iter_rows()}
    assert len(rows) == frame.height
    assert {key[1:]: value for key, value in rows.items() if key[0] == 0} == {
        ("soa", "a"): 1,
        ("soa", "b"): 1,
        ("count_accuracy", "a"): 1,
        ("count_accuracy", "b"): 1,
        ("ca", ""): 0,
        ("extra_objects", ""): 0,
        ("pa_geo", "left"): 1,
        ("exact_scene", ""): 1,
    }
    assert {key[1:]: value for key, value in rows.items() if key[0] == 1} == {
        ("soa", "a"): 1,
        ("soa", "b"): 0,
        ("count_accuracy", "a"): 0,
        ("count_accuracy", "b"): 0,
        ("ca", ""): 1.0,  # sqrt((1 + 1) / 2)
        ("extra_objects", ""): 1,
        ("pa_geo", "left"): 0,
        ("exact_scene", ""): 0,
    }
    assert frame.filter(pl.col("metric") == "ca")["value"].to_list() == [0.0, math.sqrt(1.0)]


def test_missing_samples_are_refused() -> None:
    with pytest.raises(UserError, match="p1"):
        score("long", [PLAIN, PROMPT], [[[]], []])
    with pytest.raises(UserError, match="long"):
        score("long", [PLAIN, PROMPT], [[[]]])
