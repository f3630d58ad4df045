"""The detector that judges pictures: any object-detection model of transformers, batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recap_assets.evaluation.boxes import Box, iou
from recap_assets.evaluation.pretrained import Pretrained, load


@dataclass(frozen=True, slots=True)
class Detection:
    """One object found in a picture: its label, the detector's score in [0, 1] and its box."""

    label: str
    score: float
    box: Box


def suppress(detections: Sequence[Detection], threshold: float = 0.5) -> list[Detection]:
    """Greedy non-maximum suppression within each label, best score first.

    A detection goes when its IoU with a kept one of its label is above `threshold`: a detector may
    answer one object with several queries, which would count as several objects.
    """
    kept: list[Detection] = []
    for candidate in sorted(detections, key=lambda detection: -detection.score):
        rivals = (other for other in kept if other.label == candidate.label)
        if all(iou(candidate.box, other.box) <= threshold for other in rivals):
            kept.append(candidate)
    return kept


@dataclass(frozen=True)
class Detector:
    """Finds objects in pictures.

    `threshold` is a score in [0, 1] that a detection must exceed. `nms` is the IoU above which the
    weaker of two boxes of one label goes; suppression is on by default, None turns it off.
    """

    weights: Pretrained
    threshold: float = 0.5
    nms: float | None = 0.5
    batch: int = 64

    @classmethod
    def load(
        cls,
        model: str | Path,
        threshold: float = 0.5,
        *,
        revision: str | None = None,
        nms: float | None = 0.5,
        batch: int = 64,
    ) -> Detector:
        """Load a detector from a folder or a hub id.

        Raises:
            UserError: if the model is missing or is not a detector.
        """
        weights = load("AutoModelForObjectDetection", model, revision)
        return cls(weights, threshold, nms, batch)

    @property
    def name(self) -> str:
        """Model type and 12 hex digits of the weights, for the tables."""
        return self.weights.name

    @property
    def digest(self) -> str:
        """64 hex digits of the weights."""
        return self.weights.digest

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label the detector can say, in the order of its classes."""
        return tuple(label for _, label in sorted(self.weights.model.config.id2label.items()))

    def detect(self, pictures: np.ndarray) -> list[list[Detection]]:
        """Detections of each picture, best first; boxes in the picture's own pixels, cut at its
        edges.

        `pictures` is uint8 [N, H, W, 3] (RGB).
        """
        found: list[list[Detection]] = []
        for start in range(0, len(pictures), self.batch):
            found.extend(self._detect_batch(pictures[start : start + self.batch]))
        return found

    def _detect_batch(self, pictures: np.ndarray) -> list[list[Detection]]:
        import torch

        height, width = pictures.shape[1:3]
        with torch.inference_mode():
            outputs = self.weights.model(**self.weights.pixels(pictures))
            results = self.weights.processor.post_process_object_detection(
                outputs, threshold=self.threshold, target_sizes=[(height, width)] * len(pictures)
            )
        return [self._detections(result, width, height) for result in results]

    def _detections(self, result: dict[str, Any], width: int, height: int) -> list[Detection]:
        names = self.weights.model.config.id2label
        rows = zip(
            result["labels"].tolist(),
            result["scores"].tolist(),
            result["boxes"].tolist(),
            strict=True,
        )
        found = [
            Detection(names[label], score, _clip(box, width, height)) for label, score, box in rows
        ]
        if self.nms is not None:
            return suppress(found, self.nms)
        return sorted(found, key=lambda detection: -detection.score)


def _clip(box: list[float], width: int, height: int) -> Box:
    x0, x1 = (min(max(x, 0.0), float(width)) for x in box[0::2])
    y0, y1 = (min(max(y, 0.0), float(height)) for y in box[1::2])
    return x0, y0, x1, y1
