"""Geometric positional accuracy, PA_geo: are two objects where the prompt puts them?

The rule is GenEval's (arXiv 2310.11513): per axis the offset of the centres is reduced by a tenth
of the summed sizes, and a relation holds when the rest is more than half of the centres' distance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from recap_assets.evaluation.boxes import Box, union
from recap_assets.evaluation.detect import Detection
from recap_assets.evaluation.prompts import Direction, Prompt

_MARGIN = 0.1
_SHARE = 0.5
_NOTHING = 1e-3


def relations(a: Box, b: Box) -> set[Direction]:
    """Where box `a` is, seen from box `b`; none, one, or two directions on a diagonal."""
    offset_x, rest_x = _axis(a[0], a[2], b[0], b[2])
    offset_y, rest_y = _axis(a[1], a[3], b[1], b[3])
    if abs(rest_x) < _NOTHING and abs(rest_y) < _NOTHING:
        return set()
    distance = math.hypot(offset_x, offset_y)
    tests: dict[Direction, bool] = {
        "left": rest_x / distance < -_SHARE,
        "right": rest_x / distance > _SHARE,
        "above": rest_y / distance < -_SHARE,
        "below": rest_y / distance > _SHARE,
    }
    return {direction for direction, holds in tests.items() if holds}


def locate(label: str, detections: Sequence[Detection]) -> Box | None:
    """The box of a label in a picture; None if undetected.

    Several detections of one label count as one group, with the box around all of them: "two
    circles left of a square" speaks of both circles.
    """
    boxes = [detection.box for detection in detections if detection.label == label]
    return union(boxes) if boxes else None


def holding(prompt: Prompt, detections: Sequence[Detection]) -> list[tuple[Direction, bool]]:
    """For every relation of the prompt, its direction and whether it holds; an undetected object
    fails it."""
    results: list[tuple[Direction, bool]] = []
    for a, direction, b in prompt.relations:
        box_a, box_b = locate(a, detections), locate(b, detections)
        found = box_a is not None and box_b is not None and direction in relations(box_a, box_b)
        results.append((direction, found))
    return results


def _axis(a0: float, a1: float, b0: float, b1: float) -> tuple[float, float]:
    """Offset of the centres along one axis, and what the margin leaves of it."""
    offset = (a0 + a1) / 2 - (b0 + b1) / 2
    rest = max(abs(offset) - _MARGIN * ((a1 - a0) + (b1 - b0)), 0.0)
    return offset, math.copysign(rest, offset)
