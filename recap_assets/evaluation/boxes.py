"""Boxes (x0, y0, x1, y1) in pixels, y down: their overlap and their union."""

from __future__ import annotations

from collections.abc import Iterable

Box = tuple[float, float, float, float]


def iou(a: Box, b: Box) -> float:
    """Intersection over union in [0, 1]; 0 for two boxes without area."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    total = _area(a) + _area(b) - shared
    return shared / total if total > 0 else 0.0


def union(boxes: Iterable[Box]) -> Box:
    """The smallest box around all of them; at least one is needed."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _area(box: Box) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)
