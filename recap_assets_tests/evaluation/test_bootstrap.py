from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest

from recap_assets.evaluation import bootstrap
from recap_assets.evaluation.bootstrap import Interval, Tally, difference, interval, shared, tally
from recap_assets.experiment.errors import UserError


def plain(values: np.ndarray) -> Tally:
    """One score a prompt."""
    names = tuple(f"p{i:04d}" for i in range(len(values)))
    return Tally(names, values[:, None].astype(float), np.ones((len(values), 1)))


def frame(rows: list[tuple[str, str, float]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["prompt_id", "label", "value"], orient="row")


ROWS = [
    ("p2", "cat", 1.0),
    ("p1", "cat", 0.0),
    ("p1", "cat", 1.0),
    ("p1", "dog", 1.0),
    ("p3", "cat", 1.0),
]


def width(found: Interval) -> float:
    return found.high - found.low


def test_macro_averages_within_labels_and_the_plain_mean_does_not() -> None:
    assert interval(tally(frame(ROWS), macro=True)).value == pytest.approx((3 / 4 + 1) / 2)
    assert interval(tally(frame(ROWS), macro=False)).value == pytest.approx(4 / 5)


@pytest.mark.parametrize("macro", [True, False])
def test_the_interval_is_that_of_all_possible_resamples(macro: bool) -> None:
    """Three prompts have 27 equally likely resamples; write each out as rows and average them."""

    def estimate(rows: list[tuple[str, str, float]]) -> float:
        groups: dict[str, list[float]] = {}
        for _, label, value in rows:
            groups.setdefault(label if macro else "", []).append(value)
        return float(np.mean([np.mean(values) for values in groups.values()]))

    outcomes = [
        estimate([row for prompt in drawn for row in ROWS if row[0] == prompt])
        for drawn in itertools.product(["p1", "p2", "p3"], repeat=3)
    ]
    low, high = np.percentile(outcomes, [2.5, 97.5], method="inverted_cdf")
    found = interval(tally(frame(ROWS), macro=macro), resamples=20_000)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_memory_blocks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    arm = plain(np.random.default_rng(0).normal(size=30))
    whole = interval(arm, resamples=500, seed=3)
    monkeypatch.setattr(bootstrap, "_BLOCK", 30 * 7)
    assert interval(arm, resamples=500, seed=3) == whole
    assert interval(arm, resamples=500, seed=4) != whole


def test_images_of_a_prompt_are_drawn_together() -> None:
    """Copies of the same image within each prompt add no information, so the interval stays."""
    values = np.random.default_rng(0).normal(size=40)
    once = plain(values)
    fourfold = Tally(once.prompts, once.sums * 4, once.numbers * 4)
    found, expected = interval(fourfold), interval(once)
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )


def test_the_paired_interval_is_narrower_when_arms_correlate() -> None:
    rng = np.random.default_rng(0)
    hardness = rng.normal(size=200)
    control = plain(hardness + 0.3 * rng.normal(size=200))
    arm = plain(hardness + 0.3 * rng.normal(size=200) + 0.2)
    paired = difference(arm, control)
    unpaired = np.hypot(width(interval(arm)), width(interval(control)))
    assert width(paired) < 0.5 * unpaired
    assert paired.low > 0
    assert paired.value == pytest.approx(arm.sums.mean() - control.sums.mean())


def test_an_arm_does_not_differ_from_itself() -> None:
    arm = tally(frame(ROWS), macro=True)
    assert difference(arm, arm) == Interval(0, 0, 0)


def test_difference_uses_the_shared_prompts_in_one_order() -> None:
    control = frame([("p3", "cat", 0.0), ("p9", "cat", 1.0), ("p2", "cat", 1.0)])
    x, y = shared(tally(frame(ROWS), macro=False), tally(control, macro=False))
    assert x.prompts == y.prompts == ("p2", "p3")
    assert difference(x, y).value == pytest.approx(1.0 - 0.5)
    far = tally(frame([("p8", "cat", 0.0)]), macro=False)
    with pytest.raises(UserError, match="no prompts"):
        difference(x, far)
    with pytest.raises(UserError, match="resamples"):
        interval(x, resamples=10)


@pytest.mark.parametrize("macro", [True, False])
def test_intervals_cover_the_truth_about_as_often_as_they_say(macro: bool) -> None:
    rng = np.random.default_rng(5)
    trials, prompts, truth = 300, 60, 0.7
    names = tuple(f"p{i:03d}" for i in range(prompts))
    covered = covered_null = 0
    for _ in range(trials):
        asked = np.eye(3)[rng.integers(3, size=prompts)] if macro else np.ones((prompts, 1))
        hardness = rng.normal(size=(prompts, 1)) * 0.1
        arms = [
            Tally(names, asked * (truth + hardness + rng.normal(size=(prompts, 1))), asked)
            for _ in range(2)
        ]
        one, null = interval(arms[0], 400), difference(*arms, resamples=400)
        covered += one.low <= truth <= one.high
        covered_null += null.low <= 0 <= null.high
    # 0.95 less what a percentile interval of 60 prompts loses; 4 standard errors are 0.05.
    assert 0.89 <= covered / trials <= 0.985
    assert 0.89 <= covered_null / trials <= 0.985
