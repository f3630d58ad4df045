from __future__ import annotations

import numpy as np
import pytest

from recap_assets.evaluation.bootstrap import Interval
from recap_assets.evaluation.frechet import frechet
from recap_assets.evaluation.frechet_bootstrap import distances
from recap_assets.experiment.errors import UserError


def normal(seed: int, n: int = 60, shift: float = 0.0, d: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)) + shift


def interval(features: np.ndarray, reference: np.ndarray, seed: int = 0) -> Interval:
    return distances({"arm": features}, reference, seed=seed)["arm"].interval()


def difference(features: np.ndarray, control: np.ndarray, reference: np.ndarray) -> Interval:
    found = distances({"arm": features, "control": control}, reference)
    return found["arm"].minus(found["control"])


def test_the_interval_holds_the_estimate_and_never_falls_below_zero() -> None:
    for shift in (0.0, 1.0):
        found = interval(normal(0, shift=shift), normal(1))
        assert found.value == frechet(normal(0, shift=shift), normal(1))
        assert 0 <= found.low <= found.value <= found.high
    assert interval(normal(0), normal(1), seed=1) == interval(normal(0), normal(1), seed=1)


def test_duplicates_in_resamples_do_not_push_the_interval_off_the_estimate() -> None:
    few, others = normal(0, 20, d=12), normal(1, 20, d=12)
    found = interval(few, others)
    rng = np.random.default_rng(0)
    raw = [frechet(rng.choice(few, 20), rng.choice(others, 20)) for _ in range(100)]
    assert np.percentile(raw, 2.5) > found.value, "plain replicates all lie above"
    assert found.low < found.value < found.high


def test_the_interval_is_as_wide_as_fresh_samples_scatter() -> None:
    fresh = [frechet(normal(2 * i, shift=1.0), normal(2 * i + 1)) for i in range(200)]
    low, high = np.percentile(fresh, [2.5, 97.5])
    found = interval(normal(0, shift=1.0), normal(1))
    assert 0.6 < (found.high - found.low) / (high - low) < 1.6


def test_difference_is_paired_over_rows() -> None:
    reference, control = normal(0), normal(1, shift=1.0)
    better = control - 0.3
    found = difference(better, control, reference)
    assert found.value == pytest.approx(frechet(better, reference) - frechet(control, reference))
    assert found.high < 0
    shuffled = better[np.random.default_rng(2).permutation(len(better))]
    unpaired = difference(shuffled, control, reference)
    assert found.high - found.low < unpaired.high - unpaired.low
    same = difference(control, control, reference)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_sets_of_unequal_size_are_refused() -> None:
    with pytest.raises(UserError, match="59 and 60"):
        difference(normal(0, 59), normal(1), normal(2))


def test_a_set_has_the_same_interval_among_others_of_any_size() -> None:
    reference = normal(0)
    sets = {"few": normal(1, 20), "arm": normal(2), "control": normal(3), "more": normal(4, 25)}
    found = distances(sets, reference)
    assert found.keys() == sets.keys()
    for name, features in sets.items():
        alone = distances({name: features}, reference)[name]
        assert found[name].interval() == alone.interval()
        assert found[name].pictures == len(features)


def test_the_draws_are_those_of_pictures_and_of_the_reference() -> None:
    features, reference = normal(1, 20), normal(0, 30)
    rng = np.random.default_rng(5)
    expected = []
    for _ in range(3):
        rows = rng.integers(20, size=20)
        expected.append(frechet(features[rows], reference[rng.integers(30, size=30)]))
    found = distances({"arm": features}, reference, resamples=3, seed=5)["arm"]
    assert found.resampled.tolist() == expected
