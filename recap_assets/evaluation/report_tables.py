"""The metric table of the report page: rows of arms, columns of metrics, the best value marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from recap_assets.evaluation import report_metrics
from recap_assets.evaluation.report_arms import Arm, parse
from recap_assets.evaluation.report_metrics import Metric

_VARIANTS = {"seed": "seed", "sampler": "", "steps": "steps", "cfg": "guidance", "checkpoint": ""}
_NOT_MODELS = ("real", "chance")


@dataclass(frozen=True)
class Column:
    """One metric column; `extractor` is set where a metric was measured with several."""

    metric: Metric
    extractor: str | None
    n: str


@dataclass(frozen=True)
class Cell:
    """A value as text with its 95% interval as text (empty where there is none)."""

    value: str
    interval: str
    best: bool


@dataclass(frozen=True)
class Row:
    """One arm; `detail` tells rows of the same arm apart (a sampling seed, a guidance scale)."""

    arm: Arm
    detail: str
    cells: list[Cell]


@dataclass(frozen=True)
class MetricTable:
    """All arms on one prompt set."""

    prompt_set: str
    columns: list[Column]
    rows: list[Row]


def metric_tables(metrics: pl.DataFrame | None) -> list[MetricTable]:
    """One table per prompt set. `metrics` needs the columns arm, metric and value."""
    if metrics is None or metrics.is_empty():
        return []
    records = metrics.to_dicts()
    sets = sorted({str(record.get("prompt_set") or "") for record in records})
    return [
        _table(name, [record for record in records if str(record.get("prompt_set") or "") == name])
        for name in sets
    ]


def _table(prompt_set: str, records: list[dict[str, Any]]) -> MetricTable:
    columns = _column_keys(records)
    shared = len({metric for metric, _ in columns}) == len(columns)
    grouped: dict[tuple[str, str], dict[tuple[str, str], dict[str, Any]]] = {}
    for arm, rows in _by_arm(records):
        varying = _varying(rows)
        for record in rows:
            grouped.setdefault((arm, _detail(record, varying)), {})[_column(record)] = record
    best = {key: _best(key, grouped) for key in columns}
    return MetricTable(
        prompt_set,
        [
            Column(
                report_metrics.metric(key[0]), None if shared else key[1] or None, _n(key, records)
            )
            for key in columns
        ],
        [
            Row(parse(arm), detail, [_cell(key, found.get(key), best[key]) for key in columns])
            for (arm, detail), found in grouped.items()
        ],
    )


def _column(record: dict[str, Any]) -> tuple[str, str]:
    return str(record["metric"]), str(record.get("extractor") or "")


def _column_keys(records: list[dict[str, Any]]) -> list[tuple[str, str]]:
    keys = {_column(record) for record in records}
    return sorted(keys, key=lambda key: (report_metrics.rank(key[0]), key[1]))


def _by_arm(records: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    arms: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        arms.setdefault(str(record["arm"]), []).append(record)
    return sorted(arms.items(), key=lambda item: parse(item[0]).order)


def _varying(records: list[dict[str, Any]]) -> list[str]:
    """The settings that differ between two measurements of the same metric of one arm."""
    seen: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in records:
        seen.setdefault(_column(record), []).append(record)
    return [
        name
        for name in _VARIANTS
        if any(len({record.get(name) for record in same}) > 1 for same in seen.values())
    ]


def _detail(record: dict[str, Any], varying: list[str]) -> str:
    parts = [f"{_VARIANTS[name]} {record.get(name)}".strip() for name in varying]
    return ", ".join(parts)


def _n(key: tuple[str, str], records: list[dict[str, Any]]) -> str:
    """The sample count of a column: one number, or a range where the rows differ."""
    counts = sorted({int(r["n"]) for r in records if _column(r) == key and r.get("n") is not None})
    if not counts:
        return ""
    return f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"


def _best(
    key: tuple[str, str], grouped: dict[tuple[str, str], dict[tuple[str, str], dict[str, Any]]]
) -> float | None:
    """The best value among the models of a column, if there are two to compare and a direction."""
    sign = report_metrics.metric(key[0]).sign
    values = [
        value
        for (arm, _), found in grouped.items()
        if parse(arm).name not in _NOT_MODELS and key in found
        if (value := report_metrics.finite(found[key]["value"])) is not None
    ]
    return max(values, key=lambda value: sign * value) if sign and len(values) > 1 else None


def _cell(key: tuple[str, str], record: dict[str, Any] | None, best: float | None) -> Cell:
    metric = report_metrics.metric(key[0])
    if record is None:
        return Cell(report_metrics.DASH, "", best=False)
    value = report_metrics.finite(record["value"])
    low, high = (report_metrics.finite(record.get(end)) for end in ("ci_low", "ci_high"))
    model = parse(str(record["arm"])).name not in _NOT_MODELS
    return Cell(
        report_metrics.number(value, metric),
        report_metrics.interval(low, high, metric),
        best=model and best is not None and value == best,
    )
