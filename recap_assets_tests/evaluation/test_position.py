from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.evaluation.boxes import Box
from recap_assets.evaluation.position import holding, locate, relations
from recap_assets_tests.evaluation.judged import asks, at

OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}
places = st.integers(0, 60)
sizes = st.integers(1, 30)
boxes = st.builds(lambda x, y, w, h: (x, y, x + w, y + h), places, places, sizes, sizes)


def geneval(a: Box, b: Box) -> set[str]:
    """The rule as GenEval's evaluation script writes it, on arrays."""
    corners = np.array([a, b], float).reshape(2, 2, 2)
    centre_a, centre_b = corners.mean(axis=-2)
    dim_a, dim_b = np.abs(np.diff(corners, axis=-2))[..., 0, :]
    offset = centre_a - centre_b
    revised = np.maximum(np.abs(offset) - 0.1 * (dim_a + dim_b), 0) * np.sign(offset)
    if np.all(np.abs(revised) < 1e-3):
        return set()
    dx, dy = revised / np.linalg.norm(offset)
    names = (("left", dx < -0.5), ("right", dx > 0.5), ("above", dy < -0.5), ("below", dy > 0.5))
    return {name for name, holds in names if holds}


@given(boxes, boxes)
def test_the_rule_is_genevals(a: Box, b: Box) -> None:
    assert relations(a, b) == geneval(a, b)


@given(boxes, boxes)
def test_swapping_the_objects_flips_the_relation(a: Box, b: Box) -> None:
    assert relations(b, a) == {OPPOSITE[direction] for direction in relations(a, b)}


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (10, 30, {"left"}),
        (50, 30, {"right"}),
        (30, 10, {"above"}),
        (30, 50, {"below"}),
        (10, 10, {"left", "above"}),  # diagonal: (20 - 2) / 28.3 = 0.64 on both axes
        (26, 30, set()),  # offset 4, margin 2: 2 / 4 is not above a half
        (25, 30, {"left"}),  # offset 5, margin 2: 3 / 5
        (30, 30, set()),
    ],
)
def test_directions_by_hand_around_a_box_at_30_30(x: float, y: float, expected: set[str]) -> None:
    assert relations(at("a", x, y).box, at("b", 30, 30).box) == expected


def test_concentric_boxes_have_no_relation() -> None:
    assert relations(at("a", 30, 30, 4).box, at("b", 30, 30, 40).box) == set()


def test_an_undetected_object_fails() -> None:
    prompt = asks(
        "p", {"a": 1, "b": 1}, ("a", "left", "b"), ("b", "right", "a"), ("a", "above", "b")
    )
    a, b = at("a", 10, 30), at("b", 50, 30)
    assert holding(prompt, [a, b]) == [("left", True), ("right", True), ("above", False)]
    for detections in ([a], [b], []):
        assert [found for _, found in holding(prompt, detections)] == [False] * 3


def test_several_detections_count_as_the_box_around_them() -> None:
    group = [at("a", 10, 10), at("a", 30, 50)]
    assert locate("a", group) == (5, 5, 35, 55)
    assert locate("b", group) is None
    prompt = asks("p", {"a": 2, "b": 1}, ("a", "left", "b"))
    assert holding(prompt, [*group, at("b", 60, 30)]) == [("left", True)]
    assert holding(prompt, [*group, at("a", 90, 30), at("b", 60, 30)]) == [("left", False)]
