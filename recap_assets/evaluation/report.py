"""The report page: one self-contained HTML file that says what the new captions bought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from recap_assets.evaluation import figures, report_differences, report_metrics, report_text
from recap_assets.evaluation.plot import Plot
from recap_assets.evaluation.report_arms import Arm, ordered, parse
from recap_assets.evaluation.report_audit import audit_table, captioner_table
from recap_assets.evaluation.report_pictures import picture
from recap_assets.evaluation.report_tables import metric_tables
from recap_assets.evaluation.step_curves import last, step_curves

_TEMPLATE = "page.html.jinja"


@dataclass(frozen=True)
class GridRow:
    """One prompt and the picture (PNG bytes) each arm drew for it from the same noise; the key
    `real` holds the reference picture where there is one."""

    prompt: str
    pictures: Mapping[str, bytes]


@dataclass(frozen=True)
class CaptionSample:
    """One picture (PNG bytes) and its caption in each style."""

    picture: bytes
    captions: Mapping[str, str]


@dataclass(frozen=True)
class ReportData:
    """Everything the page shows. All but the title may be missing; its section then vanishes.

    `metrics`: columns arm, metric, value, and where known ci_low, ci_high, n, seed, prompt_set,
    extractor, sampler, steps, cfg, checkpoint, step. Shares (SOA, PA, exact scene) lie in 0..1.
    `differences`: arm, control, metric, delta (arm minus control), ci_low, ci_high, n, step.
    Of an arm with several steps the tables show the last, and the curves all.
    `losses`: arm or captioner name to (step, loss) pairs.
    `audit`: style to n, words_mean, words_p95, vocabulary, distinct_share, over_limit_share,
    recall, chair_i, chair_s, c2st, c2st_length_matched.
    `captioner`: `base` and `tuned` to style to recall, chair_i, chair_s.
    `simulated`: pictures and "human" captions come from a program, which the page then says.
    """

    title: str
    simulated: bool = False
    created: str = ""
    metrics: pl.DataFrame | None = None
    differences: pl.DataFrame | None = None
    grid: Sequence[GridRow] = ()
    losses: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    captions: Sequence[CaptionSample] = ()
    audit: Mapping[str, Mapping[str, float | int | None]] = field(default_factory=dict)
    captioner: Mapping[str, Mapping[str, Mapping[str, float | None]]] = field(default_factory=dict)
    provenance: Sequence[tuple[str, str]] = ()


def render(data: ReportData) -> str:
    """The page as HTML text. It names no outside address and holds no script; every text of `data`
    is escaped."""
    return _template().render(_view(data)) + "\n"


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(interval_mark=figures.interval_mark, picture=picture)
    return environment.get_template(_TEMPLATE)


def _view(data: ReportData) -> dict[str, Any]:
    metrics = last(data.metrics)
    differences = report_differences.read(last(data.differences), metrics)
    tables = metric_tables(metrics)
    arms = _arms(data)
    return {
        "data": data,
        "lead": report_text.lead(metrics, differences),
        "tables": tables,
        "any_interval": any(
            c.interval for table in tables for row in table.rows for c in row.cells
        ),
        "shown_metrics": _shown(data),
        "groups": report_differences.groups(differences),
        "intervals": report_text.expected_false_alarms(differences),
        "training_seeds": report_text.seeds_per_arm([arm.key for arm in arms]),
        "extractors": _extractors(data.metrics),
        "step_curves": step_curves(data.metrics),
        "grid_arms": ordered([key for row in data.grid for key in row.pictures]),
        "arm_losses": _curves(data, arms, of_arms=True),
        "captioner_losses": _curves(data, arms, of_arms=False),
        "audit": audit_table(data.audit),
        "captioner": captioner_table(data.captioner),
    }


def _arms(data: ReportData) -> list[Arm]:
    return ordered(_texts(data.metrics, "arm"))


def _texts(frame: pl.DataFrame | None, column: str) -> list[str]:
    if frame is None or column not in frame.columns:
        return []
    return [str(value) for value in frame[column].to_list()]


def _shown(data: ReportData) -> list[report_metrics.Metric]:
    """The metrics of the page, which the notes explain."""
    keys = {*_texts(data.metrics, "metric"), *_texts(data.differences, "metric")}
    return [report_metrics.metric(key) for key in sorted(keys, key=report_metrics.rank)]


def _extractors(metrics: pl.DataFrame | None) -> list[tuple[str, str]]:
    """(metric label, extractor with its revision) of the metrics that name one."""
    if metrics is None or "extractor" not in metrics.columns:
        return []
    found = set()
    for record in metrics.to_dicts():
        if record["extractor"]:
            parts = [str(record["extractor"]), str(record.get("extractor_revision") or "")[:12]]
            found.add((str(record["metric"]), " ".join(part for part in parts if part)))
    rows = sorted(found, key=lambda pair: (report_metrics.rank(pair[0]), pair[1]))
    return [(report_metrics.metric(key).label, extractor) for key, extractor in rows]


def _curves(data: ReportData, arms: list[Arm], *, of_arms: bool) -> Plot | None:
    known = {arm.key for arm in arms}
    kept = {
        key: points
        for key, points in data.losses.items()
        if (key in known or parse(key).seed is not None) == of_arms
    }
    kind = "text-to-image arms" if of_arms else "captioner"
    return figures.loss_curves(kept, f"Training loss of the {kind} by step")
