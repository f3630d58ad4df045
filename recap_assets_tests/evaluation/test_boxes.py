from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.evaluation.boxes import iou, union

SIDE = 12
corners = st.tuples(*[st.integers(0, SIDE - 1)] * 2, *[st.integers(1, SIDE)] * 2)
whole_boxes = corners.map(
    lambda c: (min(c[0], c[2] - 1), min(c[1], c[3] - 1), max(c[0] + 1, c[2]), max(c[1] + 1, c[3]))
)


def painted(box: tuple[int, int, int, int]) -> np.ndarray:
    canvas = np.zeros((SIDE, SIDE), bool)
    canvas[box[1] : box[3], box[0] : box[2]] = True
    return canvas


@given(whole_boxes, whole_boxes)
def test_iou_is_the_share_of_painted_pixels(a, b) -> None:
    both, either = painted(a) & painted(b), painted(a) | painted(b)
    assert iou(a, b) == pytest.approx(both.sum() / either.sum())


def test_iou_of_boxes_without_area_is_zero() -> None:
    assert iou((1, 1, 1, 5), (1, 1, 1, 5)) == 0.0


@given(st.lists(whole_boxes, min_size=1, max_size=5))
def test_union_is_the_frame_of_all_painted_pixels(boxes) -> None:
    rows, columns = np.nonzero(np.any([painted(box) for box in boxes], axis=0))
    assert union(boxes) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
