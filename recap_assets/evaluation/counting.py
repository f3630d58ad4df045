"""Counting: does the picture show as many of each object as the prompt asks for?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from recap_assets.evaluation.detect import Detection


def counted(detections: Sequence[Detection]) -> Counter[str]:
    """How many of each label were detected."""
    return Counter(detection.label for detection in detections)


def ca(wanted: Mapping[str, int], detections: Sequence[Detection]) -> float:
    """Counting error of one image (TISE's CA, arXiv 2112.01398), in objects; 0 is perfect.

    sqrt(mean_k (n_k - nhat_k)^2) over the classes k that the prompt names; other classes cost
    nothing here, see `extra_objects`.

    Raises:
        ValueError: if the prompt names no class.
    """
    if not wanted:
        raise ValueError("a prompt without objects has no counting error")
    found = counted(detections)
    return math.sqrt(sum((n - found[label]) ** 2 for label, n in wanted.items()) / len(wanted))


def exact_counts(wanted: Mapping[str, int], detections: Sequence[Detection]) -> dict[str, bool]:
    """For every class that the prompt names, whether exactly the asked number was detected."""
    found = counted(detections)
    return {label: found[label] == n for label, n in wanted.items()}


def extra_objects(wanted: Mapping[str, int], detections: Sequence[Detection]) -> int:
    """Detected objects of classes that the prompt does not name."""
    return sum(n for label, n in counted(detections).items() if label not in wanted)
