"""Intervals for the Frechet distance: pictures of both sets are resampled."""

from __future__ import annotations

import numpy as np

from recap_assets.evaluation.bootstrap import Interval, percentiles
from recap_assets.evaluation.frechet import frechet
from recap_assets.experiment.errors import UserError


def frechet_interval(
    features: np.ndarray, reference: np.ndarray, resamples: int = 200, seed: int = 0
) -> Interval:
    """Frechet distance of [N, D] to [M, D] with its interval.

    A resample holds duplicates, which raise every replicate by about the same bias; so the
    replicates are moved to have their mean at the estimate, and their spread makes the interval.
    """
    drawn = _replicates([features], reference, resamples, seed)[0]
    value = frechet(features, reference)
    around = percentiles(value, value + drawn - drawn.mean())
    return Interval(value, max(around.low, 0.0), around.high)


def frechet_difference(
    features: np.ndarray,
    control: np.ndarray,
    reference: np.ndarray,
    resamples: int = 200,
    seed: int = 0,
) -> Interval:
    """Distance of `features` minus that of `control` to one reference, with its interval.

    Row i of both sets must be the same prompt and sample: the same rows are drawn from both.

    Raises:
        UserError: if the sets differ in size: the bias of the distance depends on it.
    """
    if len(features) != len(control):
        raise UserError(
            f"fid: sets of {len(features)} and {len(control)} pictures do not compare; "
            "use equal sizes"
        )
    value = frechet(features, reference) - frechet(control, reference)
    drawn, drawn_control = _replicates([features, control], reference, resamples, seed)
    delta = drawn - drawn_control
    return percentiles(value, value + delta - delta.mean())


def _replicates(
    sets: list[np.ndarray], reference: np.ndarray, resamples: int, seed: int
) -> np.ndarray:
    """Distances [sets, resamples], over the same draws of pictures."""
    rng = np.random.default_rng(seed)
    drawn = np.empty((len(sets), resamples))
    for resample in range(resamples):
        rows = rng.integers(len(sets[0]), size=len(sets[0]))
        others = reference[rng.integers(len(reference), size=len(reference))]
        drawn[:, resample] = [frechet(features[rows], others) for features in sets]
    return drawn
