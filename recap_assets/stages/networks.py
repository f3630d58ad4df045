"""The detector and the feature extractor that evaluation uses, loaded once."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import model_digest
from recap_assets.experiment.project import Project
from recap_assets.stages.memory import remembered

if TYPE_CHECKING:
    from recap_assets.evaluation.detect import Detector
    from recap_assets.evaluation.features import Extractor


@remembered
def detector_version(project: Project) -> str | None:
    """What identifies the detector; None where the project has none."""
    ref = project.config.evaluation.detector
    return None if ref is None else model_digest(project.model(ref))


@remembered
def extractor_version(project: Project) -> str | None:
    """What identifies the feature extractor; None where the project has none."""
    ref = project.config.evaluation.extractor
    return None if ref is None else model_digest(project.model(ref))


def detector(project: Project) -> Detector:
    """The detector with the project's threshold."""
    how = project.config.evaluation
    if how.detector is None:
        raise UserError("evaluation.detector: recap.yaml names none; object metrics need one")
    return _detector(project.model(how.detector), how.threshold, how.batch)


def extractor(project: Project) -> Extractor:
    """The feature extractor."""
    how = project.config.evaluation
    if how.extractor is None:
        raise UserError("evaluation.extractor: recap.yaml names none; `fid` needs one")
    return _extractor(project.model(how.extractor), how.batch)


@lru_cache(maxsize=1)
def _detector(model: Path | str, threshold: float, batch: int) -> Detector:
    from recap_assets.evaluation.detect import Detector

    return Detector.load(model, threshold, batch=batch)


@lru_cache(maxsize=1)
def _extractor(model: Path | str, batch: int) -> Extractor:
    from recap_assets.evaluation.features import Extractor

    return Extractor.load(model, batch=batch)
