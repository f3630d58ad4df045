"""Sample efficiency: a metric against training steps, a line an arm, where steps were measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from recap_assets.evaluation import report_metrics
from recap_assets.evaluation.plot import DASHES, Key, Line, Plot, draw, styles
from recap_assets.evaluation.report_arms import ordered
from recap_assets.evaluation.report_metrics import Metric


class StepCurve(NamedTuple):
    """A metric and its curves."""

    metric: Metric
    plot: Plot


def last(frame: pl.DataFrame | None) -> pl.DataFrame | None:
    """The rows of each arm after its last step, of metric rows or differences."""
    if frame is None or "step" not in frame.columns:
        return frame
    latest = pl.col("step").max().over("arm")
    return frame.filter(pl.col("step").is_null() | (pl.col("step") == latest))


def step_curves(metrics: pl.DataFrame | None) -> list[StepCurve]:
    """The curves of each metric, in the page's order; none unless an arm has several steps.

    `metrics` needs the columns arm, metric, value, ci_low, ci_high and step.
    """
    if metrics is None or "step" not in metrics.columns:
        return []
    rows = metrics.filter(pl.col("step").is_not_null() & pl.col("value").is_finite())
    if not (rows.group_by("arm").agg(pl.col("step").n_unique())["step"] > 1).any():
        return []
    names = sorted(rows["metric"].unique().to_list(), key=report_metrics.rank)
    found = [report_metrics.metric(name) for name in names]
    return [StepCurve(metric, _plot(metric, rows.filter(metric=metric.key))) for metric in found]


def _plot(metric: Metric, rows: pl.DataFrame) -> Plot:
    arms = ordered(rows["arm"].to_list())
    lines = [
        _line(metric, rows.filter(arm=arm.key).sort("step"), look)
        for arm, look in zip(arms, styles(arms), strict=True)
    ]
    keys = [
        Key(arm.key, f"var(--series-{line.slot})", DASHES[line.dash], _value(metric, line.points))
        for arm, line in zip(arms, lines, strict=True)
    ]
    unit = f"{metric.label}, %" if metric.share else metric.label
    return Plot(draw(lines, f"{metric.label} by training steps", unit), keys)


def _line(metric: Metric, rows: pl.DataFrame, look: tuple[int, int]) -> Line:
    scale = 100 if metric.share else 1
    points, ends = [], []
    for step, value, low, high in rows.select("step", "value", "ci_low", "ci_high").iter_rows():
        points.append((float(step), scale * value))
        ends.append(None if None in (low, high) else (scale * low, scale * high))
    return Line(points, *look, ends)


def _value(metric: Metric, points: Sequence[tuple[float, float]]) -> str:
    return f"{points[-1][1]:.{metric.digits}f}"
