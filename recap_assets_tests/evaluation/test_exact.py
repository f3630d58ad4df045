from __future__ import annotations

import pytest

from recap_assets.evaluation.exact import exact_scene
from recap_assets_tests.evaluation.judged import asks, at

PROMPT = asks("p", {"a": 2, "b": 1}, ("a", "left", "b"))
A1, A2, B = at("a", 10, 20), at("a", 10, 40), at("b", 50, 30)


@pytest.mark.parametrize(
    ("detections", "exact"),
    [
        ([A1, A2, B], True),
        ([B, A2, A1], True),
        ([A1, B], False),  # one a short
        ([A1, A2, A1, B], False),  # one a too many
        ([A1, A2, B, at("c", 30, 30)], False),  # an object not asked for
        ([A1, A2, at("b", 0, 30)], False),  # the relation is broken
        ([], False),
    ],
)
def test_everything_asked_for_and_nothing_else(detections: list, exact: bool) -> None:
    assert exact_scene(PROMPT, detections) is exact


def test_without_relations_only_the_objects_count() -> None:
    assert exact_scene(asks("p", {"a": 2, "b": 1}), [B, A1, A2])
