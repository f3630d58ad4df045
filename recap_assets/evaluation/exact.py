"""Exact scenes: the strictest score, everything asked for and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from recap_assets.evaluation.counting import counted
from recap_assets.evaluation.detect import Detection
from recap_assets.evaluation.position import holding
from recap_assets.evaluation.prompts import Prompt


def exact_scene(prompt: Prompt, detections: Sequence[Detection]) -> bool:
    """Whether the detected labels, with their counts, are the prompt's and all its relations
    hold."""
    return counted(detections) == prompt.objects and all(
        found for _, found in holding(prompt, detections)
    )
