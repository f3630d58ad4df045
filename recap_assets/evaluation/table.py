"""The metric table: a row for each arm and metric, and the differences of the arms to a control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from recap_assets.evaluation.bootstrap import Interval, difference, interval, shared, tally
from recap_assets.evaluation.estimators import ESTIMATORS, check_metrics
from recap_assets.evaluation.frechet_bootstrap import Distance
from recap_assets.experiment.errors import UserError

ROWS: dict[str, pl.DataType] = {
    "arm": pl.String(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "n": pl.Int64(),
    "seed": pl.Int64(),
    "prompt_set": pl.String(),
    "caption_set": pl.String(),
    "extractor": pl.String(),
    "extractor_revision": pl.String(),
    "sampler": pl.String(),
    "steps": pl.Int64(),
    "cfg": pl.Float64(),
    "checkpoint": pl.String(),
    "mix": pl.String(),
    "step": pl.Int64(),
}

DIFFERENCES: dict[str, pl.DataType] = {
    "arm": pl.String(),
    "control": pl.String(),
    "metric": pl.String(),
    "delta": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "n": pl.Int64(),
    "step": pl.Int64(),
}


@dataclass(frozen=True)
class Source:
    """The network behind a number: its name, and the revision or digest that pins it."""

    name: str
    revision: str


@dataclass(frozen=True)
class Meta:
    """What decided a row's pictures; None where it does not apply, as to the arm `real`.

    arm: what the row is called, where that is not the key of the row: an arm has one for each of
        its steps that are measured.
    steps: of the sampler. step: how many the weights were trained for.
    """

    prompt_set: str
    seed: int | None = None
    caption_set: str | None = None
    sampler: str | None = None
    steps: int | None = None
    cfg: float | None = None
    checkpoint: str | None = None
    mix: str | None = None
    arm: str | None = None
    step: int | None = None


@dataclass(frozen=True)
class Measured:
    """Everything measured on some arms.

    `scores` holds the arms' rows of `scores.SCHEMA`, judged by `detector`. `distances` are those of
    `frechet_bootstrap.distances` between the arms' pictures and real ones, by features of
    `extractor`.
    """

    scores: pl.DataFrame
    detector: Source | None = None
    distances: Mapping[str, Distance] = field(default_factory=dict)
    extractor: Source | None = None


def metric_rows(
    measured: Measured,
    meta: Mapping[str, Meta],
    metrics: Sequence[str] = tuple(ESTIMATORS),
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> pl.DataFrame:
    """The rows (`ROWS`) of every arm in `meta`, in its order, then in the order of `metrics`.

    `n` is the number of pictures that a value covers. A metric that is not defined for an arm, as
    object metrics are not for prompts without objects, has no row.

    Raises:
        UserError: if a metric is unknown.
    """
    check_metrics(metrics)
    rows = []
    for arm, about in meta.items():
        for metric in metrics:
            found = _value(measured, arm, metric, resamples, seed)
            if found is not None:
                rows.append(_row(arm, metric, *found, about, _source(measured, metric)))
    return pl.DataFrame(rows, schema=ROWS, orient="row")


def differences(
    measured: Measured,
    meta: Mapping[str, Meta],
    control: str,
    metrics: Sequence[str] = tuple(ESTIMATORS),
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> pl.DataFrame:
    """Every other arm minus the arm `control` (`DIFFERENCES`), paired over the prompts of both.

    Weights are compared with those of the control after as many steps, and have no row where it has
    none; what was never trained is compared with its last, or with a control of that kind.
    `n` is the number of shared prompts, for `fid` the number of pictures of an arm. Arms with
    another number of pictures than the control have no `fid` row: its bias depends on the number.

    Raises:
        UserError: if the control was not measured or a metric is unknown.
    """
    check_metrics(metrics)
    controls = {about.step: row for row, about in meta.items() if (about.arm or row) == control}
    if not controls:
        raise UserError(f"control {control!r}: not among the measured arms ({', '.join(meta)})")
    rows = []
    for row, about in sorted(meta.items()):
        its = _counterpart(controls, about.step)
        for metric in metrics if its is not None and its != row else ():
            found = _delta(measured, row, str(its), metric, resamples, seed)
            if found is not None:
                delta, n = found
                values = (delta.value, delta.low, delta.high, n, about.step)
                rows.append((about.arm or row, control, metric, *values))
    return pl.DataFrame(rows, schema=DIFFERENCES, orient="row")


def _counterpart(controls: Mapping[int | None, str], step: int | None) -> str | None:
    """The row of the control, of which `controls` has one a step, to compare a row with."""
    if None in controls:
        return controls[None]
    return (
        controls.get(step)
        if step is not None
        else controls[max(step for step in controls if step is not None)]
    )


def _value(
    measured: Measured, arm: str, metric: str, resamples: int, seed: int
) -> tuple[Interval, int] | None:
    if ESTIMATORS[metric].score is None:
        found = measured.distances.get(arm)
        return (found.interval(), found.pictures) if found else None
    scores = _scores(measured, arm, metric)
    if scores.is_empty():
        return None
    pictures = scores.select("prompt_id", "sample").n_unique()
    return interval(tally(scores, macro=ESTIMATORS[metric].macro), resamples, seed), pictures


def _delta(
    measured: Measured, arm: str, control: str, metric: str, resamples: int, seed: int
) -> tuple[Interval, int] | None:
    if ESTIMATORS[metric].score is None:
        return _frechet_delta(measured, arm, control)
    macro = ESTIMATORS[metric].macro
    scores, others = _scores(measured, arm, metric), _scores(measured, control, metric)
    x, y = shared(tally(scores, macro=macro), tally(others, macro=macro))
    return (difference(x, y, resamples, seed), len(x.prompts)) if x.prompts else None


def _frechet_delta(measured: Measured, arm: str, control: str) -> tuple[Interval, int] | None:
    found, other = measured.distances.get(arm), measured.distances.get(control)
    if found is None or other is None:
        return None
    if found.pictures != other.pictures:  # not comparable, as `differences` says
        return None
    return found.minus(other), found.pictures


def _scores(measured: Measured, arm: str, metric: str) -> pl.DataFrame:
    score = ESTIMATORS[metric].score
    return measured.scores.filter(pl.col("arm") == arm, pl.col("metric") == score)


def _source(measured: Measured, metric: str) -> Source | None:
    return measured.extractor if ESTIMATORS[metric].score is None else measured.detector


def _row(
    arm: str, metric: str, value: Interval, n: int, about: Meta, source: Source | None
) -> tuple[object, ...]:
    network = (source.name, source.revision) if source else (None, None)
    return (
        *(about.arm or arm, metric, value.value, value.low, value.high, n),
        *(about.seed, about.prompt_set, about.caption_set, *network),
        *(about.sampler, about.steps, about.cfg, about.checkpoint, about.mix, about.step),
    )
