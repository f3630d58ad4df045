"""Differences of the arms to their control: the rows of the forest plot, on one axis a metric."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from recap_assets.evaluation import report_metrics
from recap_assets.evaluation.report_arms import Arm, parse
from recap_assets.evaluation.report_metrics import Metric

Verdict = Literal["better", "worse", "higher", "lower", "includes zero", "no interval"]

_Z_INTERVAL = 1.96
_Z_DETECTABLE = 2.80


@dataclass(frozen=True)
class Difference:
    """Arm minus control in the metric's own unit (shares in 0..1)."""

    arm: Arm
    control: Arm
    metric: Metric
    delta: float
    low: float | None
    high: float | None
    n: int | None

    @property
    def verdict(self) -> Verdict:
        """What the interval alone allows to say."""
        if self.low is None or self.high is None:
            return "no interval"
        if self.low <= 0 <= self.high:
            return "includes zero"
        if not self.metric.sign:
            return "higher" if self.delta > 0 else "lower"
        return "better" if self.delta * self.metric.sign > 0 else "worse"

    @property
    def text(self) -> str:
        """The signed difference."""
        return report_metrics.number(self.delta, self.metric, signed=True)

    @property
    def interval(self) -> str:
        """The signed 95% interval, or an empty string."""
        return report_metrics.interval(self.low, self.high, self.metric, signed=True)


@dataclass(frozen=True)
class Mark:
    """A difference placed on its metric's axis: positions in -1..1, right is better."""

    difference: Difference
    low: float | None
    middle: float
    high: float | None


@dataclass(frozen=True)
class Group:
    """All differences of one metric to one control, on one symmetric axis."""

    metric: Metric
    control: Arm
    n: str
    left: str
    right: str
    detectable: str
    marks: list[Mark]


def read(differences: pl.DataFrame | None, metrics: pl.DataFrame | None) -> list[Difference]:
    """Differences with a finite delta, in the order of metrics, then arms.

    A metric that nobody compared still gets plain differences to the alt-text arm from its values
    in `metrics`, without an interval.
    """
    records = [] if differences is None else differences.to_dicts()
    compared = {str(record["metric"]) for record in records}
    records += [r for r in _plain(metrics) if r["metric"] not in compared]
    found = [difference for record in records if (difference := _difference(record)) is not None]
    return sorted(
        found, key=lambda d: (report_metrics.rank(d.metric.key), d.control.order, d.arm.order)
    )


def _plain(metrics: pl.DataFrame | None) -> list[dict[str, Any]]:
    """Arm minus alt-text arm of the same weights and seed, where each has one value of a metric."""
    values: dict[tuple[str, str], list[float]] = {}
    for record in [] if metrics is None else metrics.to_dicts():
        value = report_metrics.finite(record["value"])
        if value is not None:
            values.setdefault((str(record["metric"]), str(record["arm"])), []).append(value)
    found = []
    for (metric, key), own in values.items():
        arm = parse(key)
        control = f"alttext-{arm.train}-s{arm.seed}"
        other = values.get((metric, control), [])
        if arm.name != "alttext" and len(own) == len(other) == 1:
            delta = own[0] - other[0]
            found.append({"arm": key, "control": control, "metric": metric, "delta": delta})
    return found


def groups(differences: list[Difference]) -> list[Group]:
    """Differences by metric and control, each group with an axis as wide as its widest interval."""
    keyed: dict[tuple[str, str], list[Difference]] = {}
    for difference in differences:
        keyed.setdefault((difference.metric.key, difference.control.name), []).append(difference)
    return [_group(members) for members in keyed.values()]


def _difference(record: dict[str, Any]) -> Difference | None:
    delta = report_metrics.finite(record["delta"])
    if delta is None:
        return None
    return Difference(
        parse(str(record["arm"])),
        parse(str(record["control"])),
        report_metrics.metric(str(record["metric"])),
        delta,
        report_metrics.finite(record.get("ci_low")),
        report_metrics.finite(record.get("ci_high")),
        record.get("n"),
    )


def _group(members: list[Difference]) -> Group:
    metric = members[0].metric
    ends = [end for d in members for end in (d.low, d.delta, d.high) if end is not None]
    reach = max(abs(end) for end in ends) or 1.0
    turn = metric.sign or 1
    counts = sorted({member.n for member in members if member.n is not None})
    return Group(
        metric,
        members[0].control,
        " to ".join(f"{count:,}" for count in dict.fromkeys(counts[:1] + counts[-1:])),
        report_metrics.number(-turn * reach, metric, signed=True),
        report_metrics.number(turn * reach, metric, signed=True),
        _detectable(members),
        [_mark(member, turn / reach) for member in members],
    )


def _mark(difference: Difference, scale: float) -> Mark:
    if difference.low is None or difference.high is None:
        return Mark(difference, None, difference.delta * scale, None)
    low, high = sorted((difference.low * scale, difference.high * scale))
    return Mark(difference, low, difference.delta * scale, high)


def _detectable(members: list[Difference]) -> str:
    """The difference found with 80% power at 5%, two-sided: 2.80 standard errors, median of the
    group. The standard error is read off the 95% interval (its width over 2 x 1.96)."""
    errors = [
        (d.high - d.low) / (2 * _Z_INTERVAL)
        for d in members
        if d.low is not None and d.high is not None
    ]
    if not errors:
        return ""
    return report_metrics.number(_Z_DETECTABLE * statistics.median(errors), members[0].metric)
