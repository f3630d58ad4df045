"""Intervals for the Frechet distance: pictures of both sets are resampled."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from recap_assets.evaluation.bootstrap import Interval, percentiles
from recap_assets.evaluation.frechet import distance, frechet, gaussian
from recap_assets.experiment.cores import cores
from recap_assets.experiment.errors import UserError


@dataclass(frozen=True)
class Distance:
    """The Frechet distance of a set of pictures to the reference.

    resampled: the same of draws of the pictures and of the reference, [resamples].

    A draw holds duplicates, which raise every one by about the same bias; so they are moved to have
    their mean at the estimate, and their spread makes the interval.
    """

    value: float
    resampled: np.ndarray
    pictures: int

    def interval(self) -> Interval:
        """The distance with its interval."""
        around = _around(self.value, self.resampled)
        return Interval(self.value, max(around.low, 0.0), around.high)

    def minus(self, control: Distance) -> Interval:
        """How much further away than `control` it is, with the interval; both of `distances`.

        Raises:
            UserError: if the sets differ in size: the bias of the distance depends on it.
        """
        if self.pictures != control.pictures:
            raise UserError(
                f"fid: sets of {self.pictures} and {control.pictures} pictures do not compare; "
                "use equal sizes"
            )
        return _around(self.value - control.value, self.resampled - control.resampled)


def distances(
    sets: Mapping[str, np.ndarray], reference: np.ndarray, resamples: int = 200, seed: int = 0
) -> dict[str, Distance]:
    """The distances of feature sets [N, D] to one reference [M, D].

    Sets of one size are drawn alike, so row i of each must be the same prompt and sample: what
    makes a prompt hard cancels in their difference.

    Raises:
        UserError: as `frechet`.
    """
    found = {}
    for size in {len(features) for features in sets.values()}:
        alike = {name: features for name, features in sets.items() if len(features) == size}
        drawn = np.array(_resampled(list(alike.values()), reference, resamples, seed))
        for column, (name, features) in enumerate(alike.items()):
            found[name] = Distance(frechet(features, reference), drawn[:, column], size)
    return found


def _around(value: float, resampled: np.ndarray) -> Interval:
    return percentiles(value, value + resampled - resampled.mean())


def _resampled(
    sets: list[np.ndarray], reference: np.ndarray, resamples: int, seed: int
) -> list[list[float]]:
    """The distance of each set, over the same draws; the cores share the draws."""
    rng = np.random.default_rng(seed)
    sizes = (len(sets[0]), len(reference))
    draws = [[rng.integers(size, size=size) for size in sizes] for _ in range(resamples)]

    def measured(draw: list[np.ndarray]) -> list[float]:
        others = gaussian(reference[draw[1]])
        return [distance(gaussian(features[draw[0]]), others) for features in sets]

    # Matrices this small gain nothing from threads of BLAS, which beside other work wait for each
    # other longer than they compute.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores()) as threads:
        return list(threads.map(measured, draws))
