"""The sentences at the top of the report page: what the new captions bought, said no louder than
the intervals allow."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import polars as pl

from recap_assets.evaluation import report_metrics
from recap_assets.evaluation.report_arms import parse
from recap_assets.evaluation.report_differences import Difference

_LEADING = ("soa_c", "exact_scene")
_PREFERRED = ("mix", "long", "short")
_UNTRAINED = ("base", "real", "chance")


@dataclass(frozen=True)
class Lead:
    """A verdict in one sentence and the numbers behind it, a sentence a metric."""

    headline: str
    details: list[str]


def lead(metrics: pl.DataFrame | None, differences: list[Difference]) -> Lead:
    """The lead of the page from the metric rows and the differences to the control.

    The arm is `mix`, else `long`, else `short`, else the first by name: never the one that came
    out best. Several training seeds count as settled only if every interval agrees.
    """
    chosen = _chosen(differences)
    if not chosen:
        return _without_control(metrics)
    by_metric: dict[str, list[Difference]] = {}
    for difference in chosen:
        by_metric.setdefault(difference.metric.key, []).append(difference)
    return Lead(
        _headline(list(by_metric.values())),
        [_detail(rows, metrics) for rows in by_metric.values()],
    )


def expected_false_alarms(differences: list[Difference]) -> tuple[int, str]:
    """How many intervals there are, and how many of them would miss zero by chance alone."""
    count = sum(d.low is not None and d.high is not None for d in differences)
    return count, f"{0.05 * count:.1f}"


def _without_control(metrics: pl.DataFrame | None) -> Lead:
    if metrics is None or metrics.is_empty():
        return Lead("No arm has been measured yet.", [])
    return Lead(
        "No arm was compared with a control, so this page cannot say what the captions bought.",
        ["Train an arm on the alt-text alone, with the same steps, to have one."],
    )


def _chosen(differences: list[Difference]) -> list[Difference]:
    """The differences the lead speaks of: one arm name, one control, at most two metrics."""
    arms = [d for d in differences if d.arm.name not in _UNTRAINED]
    rows = [d for d in arms if d.verdict != "no interval"] or arms
    if not rows:
        return []
    controls = sorted({d.control.name for d in rows}, key=lambda name: (name != "alttext", name))
    rows = [d for d in rows if d.control.name == controls[0]]
    names = sorted({d.arm.name for d in rows})
    name = next((wanted for wanted in _PREFERRED if wanted in names), names[0])
    rows = [d for d in rows if d.arm.name == name]
    trained = min(rows, key=lambda d: d.arm.order).arm.train
    rows = [d for d in rows if d.arm.train == trained]
    keys = list(dict.fromkeys(d.metric.key for d in rows))
    wanted_keys = [key for key in _LEADING if key in keys] or keys[:2]
    return [d for d in rows if d.metric.key in wanted_keys]


def _verdict(rows: list[Difference]) -> str:
    verdicts = {row.verdict for row in rows}
    return verdicts.pop() if len(verdicts) == 1 else "mixed"


def _headline(groups: list[list[Difference]]) -> str:
    arm, control = groups[0][0].arm.name, _control_name(groups[0][0].control.name)
    labels: dict[str, list[str]] = {}
    for rows in groups:
        verdict = _verdict(rows)
        settled = verdict if verdict in ("better", "worse") else "open"
        labels.setdefault(settled, []).append(_label(rows[0]))
    if "better" not in labels and "worse" not in labels:
        bare = all(row.verdict == "no interval" for rows in groups for row in rows)
        why = "no interval is known for" if bare else "chance could explain the difference in"
        return (
            f"This run does not show whether training on the {arm} captions beats {control}: "
            f"{why} {_and(labels['open'])}."
        )
    words = {"better": "beat", "worse": "did worse than"}
    claims = [
        f"{words[verdict]} {control} on {_and(labels[verdict])}"
        for verdict in ("better", "worse")
        if verdict in labels
    ]
    doubt = f"; on {_and(labels['open'])} this run does not settle it" if "open" in labels else ""
    return f"Training on the {arm} captions {_and(claims)}{doubt}."


def _label(row: Difference) -> str:
    words = {"soa_c": "object accuracy (SOA-C)", "exact_scene": "exact scenes"}
    return words.get(row.metric.key, row.metric.label)


def _control_name(name: str) -> str:
    return "alt-text" if name == "alttext" else f"the {name} arm"


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _detail(rows: list[Difference], metrics: pl.DataFrame | None) -> str:
    metric = rows[0].metric
    unit = f" {metric.unit}" if metric.unit else ""
    levels = _levels(rows, metrics)
    if len(rows) > 1:
        return f"{metric.label}: {levels}{_over_seeds(rows, unit)}"
    row = rows[0]
    text = f"{metric.label}: {levels}{row.text}{unit}"
    if not row.interval:
        return f"{text}, without an interval."
    zero = ", which includes zero" if row.verdict == "includes zero" else ""
    return f"{text}, 95% interval {row.interval}{zero}."


def _levels(rows: list[Difference], metrics: pl.DataFrame | None) -> str:
    """`71.2% against 61.9% for alt-text, ` where one value of each is known, else nothing."""
    if metrics is None or len(rows) > 1:
        return ""
    row = rows[0]
    pair = [_value(metrics, key, row.metric.key) for key in (row.arm.key, row.control.key)]
    if None in pair:
        return ""
    percent = "%" if row.metric.share else ""
    new, old = (report_metrics.number(value, row.metric) + percent for value in pair)
    return f"{new} against {old} for {_control_name(row.control.name)}, "


def _value(metrics: pl.DataFrame, arm: str, metric: str) -> float | None:
    found = metrics.filter((pl.col("arm") == arm) & (pl.col("metric") == metric))["value"].to_list()
    return report_metrics.finite(found[0]) if len(found) == 1 else None


def _over_seeds(rows: list[Difference], unit: str) -> str:
    metric = rows[0].metric
    deltas = [row.delta for row in rows]
    mean = report_metrics.number(statistics.fmean(deltas), metric, signed=True)
    low, high = (report_metrics.number(end(deltas), metric, signed=True) for end in (min, max))
    average = f"{mean}{unit} on average over {len(rows)} training seeds ({low} to {high})"
    if all(row.verdict == "no interval" for row in rows):
        return f"{average}, without an interval."
    clear = sum(row.verdict == "better" for row in rows)
    return f"{average}; the 95% interval lies wholly on the better side in {clear} of {len(rows)}."


def seeds_per_arm(arms: list[str]) -> int:
    """The largest number of training seeds any arm has; 0 without trained arms."""
    seen: dict[tuple[str, str | None], set[int]] = {}
    for arm in (parse(key) for key in arms):
        if arm.seed is not None:
            seen.setdefault((arm.name, arm.train), set()).add(arm.seed)
    return max((len(seeds) for seeds in seen.values()), default=0)
