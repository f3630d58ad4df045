"""Semantic object accuracy (Hinz et al., arXiv 1910.13321): is what the prompt names in the
picture?

The denominator is the original one: every image generated for a class, also those without any
detection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from recap_assets.evaluation.detect import Detection
from recap_assets.evaluation.prompts import Prompt
from recap_assets.experiment.errors import UserError


@dataclass(frozen=True)
class ClassCount:
    """Of one class: images generated for it, images that show it, images with a detection of any
    class."""

    images: int
    hits: int
    answered: int


def hits(prompt: Prompt, detections: Sequence[Detection]) -> dict[str, bool]:
    """For every class that the prompt asks for, whether the image shows at least one."""
    found = {detection.label for detection in detections}
    return {label: label in found for label in prompt.objects}


def count(images: Iterable[tuple[Prompt, Sequence[Detection]]]) -> dict[str, ClassCount]:
    """Counts of every class over images, each given with the prompt it was generated for."""
    totals: dict[str, ClassCount] = {}
    for prompt, detections in images:
        for label, hit in hits(prompt, detections).items():
            old = totals.get(label, ClassCount(0, 0, 0))
            totals[label] = ClassCount(
                old.images + 1, old.hits + hit, old.answered + bool(detections)
            )
    return totals


def soa_c(counts: Mapping[str, ClassCount], classes: Sequence[str]) -> float:
    """SOA-C in [0, 1]: the mean of hits / images over the declared classes.

    Raises:
        UserError: if a declared class has no image; leaving it out would change the denominator
            unseen.
    """
    return sum(
        counts[label].hits / counts[label].images for label in _checked(counts, classes)
    ) / len(classes)


def soa_i(counts: Mapping[str, ClassCount]) -> float:
    """SOA-I in [0, 1]: hits over images, of all classes together.

    Raises:
        UserError: if there is no class at all.
    """
    labels = _checked(counts, list(counts))
    return sum(counts[label].hits for label in labels) / sum(
        counts[label].images for label in labels
    )


def tise_compat(counts: Mapping[str, ClassCount]) -> dict[str, float]:
    """Per-class accuracy as the TISE toolbox computes it (arXiv 2112.01398): hits / answered
    images.

    Images without any detection drop out there, which inflates weak models; use it only to compare
    with published TISE numbers. A class with no answered image is left out.
    """
    return {label: c.hits / c.answered for label, c in counts.items() if c.answered}


def _checked(counts: Mapping[str, ClassCount], classes: Sequence[str]) -> Sequence[str]:
    if not classes:
        raise UserError("SOA: no classes declared; the prompts need `objects`")
    missing = [label for label in classes if label not in counts or not counts[label].images]
    if missing:
        raise UserError(
            f"SOA: no image was generated for the class {missing[0]!r}; "
            "sample its prompts or drop the class"
        )
    return classes
