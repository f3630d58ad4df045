from __future__ import annotations

import numpy as np
import pytest

from recap_assets.evaluation.frechet import frechet
from recap_assets.evaluation.frechet_bootstrap import frechet_difference, frechet_interval
from recap_assets.experiment.errors import UserError


def normal(seed: int, n: int = 60, shift: float = 0.0, d: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)) + shift


def test_the_interval_holds_the_estimate_and_never_falls_below_zero() -> None:
    for shift in (0.0, 1.0):
        found = frechet_interval(normal(0, shift=shift), normal(1))
        assert found.value == frechet(normal(0, shift=shift), normal(1))
        assert 0 <= found.low <= found.value <= found.high
    assert frechet_interval(normal(0), normal(1), seed=1) == frechet_interval(
        normal(0), normal(1), seed=1
    )


def test_duplicates_in_resamples_do_not_push_the_interval_off_the_estimate() -> None:
    few, others = normal(0, 20, d=12), normal(1, 20, d=12)
    found = frechet_interval(few, others)
    rng = np.random.default_rng(0)
    raw = [frechet(rng.choice(few, 20), rng.choice(others, 20)) for _ in range(100)]
    assert np.percentile(raw, 2.5) > found.value, "plain replicates all lie above"
    assert found.low < found.value < found.high


def test_the_interval_is_as_wide_as_fresh_samples_scatter() -> None:
    fresh = [frechet(normal(2 * i, shift=1.0), normal(2 * i + 1)) for i in range(200)]
    low, high = np.percentile(fresh, [2.5, 97.5])
    found = frechet_interval(normal(0, shift=1.0), normal(1))
    assert 0.6 < (found.high - found.low) / (high - low) < 1.6


def test_difference_is_paired_over_rows() -> None:
    reference, control = normal(0), normal(1, shift=1.0)
    better = control - 0.3
    found = frechet_difference(better, control, reference)
    assert found.value == pytest.approx(frechet(better, reference) - frechet(control, reference))
    assert found.high < 0
    shuffled = better[np.random.default_rng(2).permutation(len(better))]
    unpaired = frechet_difference(shuffled, control, reference)
    assert found.high - found.low < unpaired.high - unpaired.low
    same = frechet_difference(control, control, reference)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_sets_of_unequal_size_are_refused() -> None:
    with pytest.raises(UserError, match="59 and 60"):
        frechet_difference(normal(0, 59), normal(1), normal(2))
