"""Prompts and detections in short form for the tests of the metrics."""

from __future__ import annotations

from recap_assets.evaluation.detect import Detection
from recap_assets.evaluation.prompts import Prompt

UNIT = (0.0, 0.0, 10.0, 10.0)


def found(*labels: str) -> list[Detection]:
    """A detection of each label, in boxes that do not matter."""
    return [Detection(label, 0.9, UNIT) for label in labels]


def at(label: str, x: float, y: float, size: float = 10.0) -> Detection:
    """A square detection centred at (x, y)."""
    half = size / 2
    return Detection(label, 0.9, (x - half, y - half, x + half, y + half))


def asks(name: str, objects: dict[str, int], *relations: tuple[str, str, str]) -> Prompt:
    """A prompt whose words do not matter."""
    return Prompt(name, f"words of {name}", "short", objects, relations)  # type: ignore[arg-type]
