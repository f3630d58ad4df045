"""Paired bootstrap over prompts: intervals for a metric of one arm and for the difference of two
arms.

A prompt is drawn with all its images, and for two arms the same prompts are drawn for both: what
makes a prompt hard is common to them and cancels in the difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from recap_assets.experiment.errors import UserError

LEVEL = 0.95
_BLOCK = 4_000_000  # resampled counts held at once: 32 MB


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Tally:
    """Sums and numbers of scores by prompt and label, float64 [P, L].

    Its estimate is the mean over labels of sum / number: with classes or relations as labels a
    macro mean, with one label the plain mean.
    """

    prompts: tuple[str, ...]
    sums: np.ndarray
    numbers: np.ndarray

    def only(self, prompts: tuple[str, ...]) -> Tally:
        """The rows of these prompts, in their order."""
        row = {prompt: index for index, prompt in enumerate(self.prompts)}
        rows = [row[prompt] for prompt in prompts]
        return Tally(prompts, self.sums[rows], self.numbers[rows])


def tally(scores: pl.DataFrame, *, macro: bool) -> Tally:
    """Tally the scores (columns prompt_id, label, value) of one arm and one metric.

    `macro` keeps the labels apart; else all scores weigh the same.
    """
    prompts = scores["prompt_id"].unique().sort()
    labels = scores["label"].unique().sort()
    rows = prompts.search_sorted(scores["prompt_id"]).to_numpy()
    columns = labels.search_sorted(scores["label"]).to_numpy() if macro else np.zeros_like(rows)
    shape = (len(prompts), len(labels) if macro else 1)
    sums, numbers = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (rows, columns), scores["value"].to_numpy())
    np.add.at(numbers, (rows, columns), 1.0)
    return Tally(tuple(prompts), sums, numbers)


def interval(arm: Tally, resamples: int = 2000, seed: int = 0) -> Interval:
    """The estimate of one arm with its percentile interval.

    Raises:
        UserError: if there are no scores or fewer than 100 resamples.
    """
    _check(arm, resamples)
    return percentiles(_estimate(arm), _replicates([arm], resamples, seed)[0])


def difference(arm: Tally, control: Tally, resamples: int = 2000, seed: int = 0) -> Interval:
    """The estimate of `arm` minus that of `control` over their shared prompts, paired.

    Raises:
        UserError: if no prompt is shared or fewer than 100 resamples are asked for.
    """
    arm, control = shared(arm, control)
    _check(arm, resamples)
    drawn, drawn_control = _replicates([arm, control], resamples, seed)
    return percentiles(_estimate(arm) - _estimate(control), drawn - drawn_control)


def shared(arm: Tally, control: Tally) -> tuple[Tally, Tally]:
    """Both tallies cut to the prompts that they share, in one order."""
    prompts = tuple(sorted(set(arm.prompts) & set(control.prompts)))
    return arm.only(prompts), control.only(prompts)


def percentiles(value: float, replicates: np.ndarray) -> Interval:
    """The interval that holds the middle 95 % of the replicates."""
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(replicates, [tail, 100 - tail])
    return Interval(float(value), float(low), float(high))


def _check(arm: Tally, resamples: int) -> None:
    if not arm.prompts:
        raise UserError(
            "bootstrap: no prompts to resample; the arms need scores on the same prompts"
        )
    if resamples < 100:
        raise UserError(f"bootstrap: {resamples} resamples give no interval; use 2000 or more")


def _replicates(arms: list[Tally], resamples: int, seed: int) -> list[np.ndarray]:
    """Estimates [resamples] of each arm, over the same draws of prompts."""
    blocks = [
        [_macro(weights @ arm.sums, weights @ arm.numbers) for arm in arms]
        for weights in _draws(len(arms[0].prompts), resamples, seed)
    ]
    return [np.concatenate(parts) for parts in zip(*blocks, strict=True)]


def _draws(prompts: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each prompt is drawn, [block, prompts], in blocks that fit memory."""
    rng = np.random.default_rng(seed)
    block = max(_BLOCK // prompts, 1)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        yield rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=size).astype(np.float64)


def _estimate(arm: Tally) -> float:
    return float(_macro(arm.sums.sum(0, keepdims=True), arm.numbers.sum(0, keepdims=True))[0])


def _macro(sums: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Mean over labels [B] of sums / numbers [B, L]; a label that a resample lacks is skipped."""
    present = numbers > 0
    means = np.divide(sums, numbers, out=np.zeros_like(sums), where=present)
    mean: np.ndarray = means.sum(1) / present.sum(1)
    return mean
