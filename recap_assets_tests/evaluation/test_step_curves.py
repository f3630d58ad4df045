"""Tests of the sample-efficiency curves: which rows they show, and when there are any."""

from __future__ import annotations

import re

import polars as pl

from recap_assets.evaluation.report import ReportData, render
from recap_assets.evaluation.step_curves import last, step_curves
from recap_assets.evaluation.table import DIFFERENCES, ROWS

STEPS = (100, 200, 300)
ARMS = ("alttext-both-s0", "mix-both-s0")


def rows(steps: tuple[int, ...] = STEPS) -> pl.DataFrame:
    """SOA-C that grows with the steps, and CA that has no interval; `base` was never trained."""
    found = [{"arm": "base", "metric": "soa_c", "value": 0.2, "ci_low": 0.1, "ci_high": 0.3}]
    for place, arm in enumerate(ARMS):
        for step in steps:
            value = step / 500 + place / 10
            about = {"arm": arm, "step": step, "seed": 0}
            ends = {"ci_low": value - 0.05, "ci_high": value + 0.05}
            found.append(about | {"metric": "soa_c", "value": value} | ends)
            found.append(about | {"metric": "ca", "value": 2 - value})
    return pl.DataFrame([dict.fromkeys(ROWS) | row for row in found], schema=ROWS)


def test_there_are_none_without_several_steps_of_an_arm() -> None:
    assert step_curves(None) == []
    assert step_curves(rows((300,))) == []
    assert step_curves(rows().drop("step")) == []


def test_a_curve_a_metric_and_a_line_an_arm() -> None:
    found = step_curves(rows())
    assert [curve.metric.key for curve in found] == ["soa_c", "ca"]
    soa, ca = found
    assert [(key.label, key.last) for key in soa.plot.keys] == [
        ("alttext-both-s0", "60.0"),
        ("mix-both-s0", "70.0"),
    ]
    assert [(key.label, key.last) for key in ca.plot.keys] == [
        ("alttext-both-s0", "1.40"),
        ("mix-both-s0", "1.30"),
    ]
    assert soa.plot.keys[0].colour != soa.plot.keys[1].colour
    assert "SOA-C, %" in soa.plot.svg and "CA" in ca.plot.svg


def test_intervals_are_drawn_where_they_are_known() -> None:
    soa, ca = step_curves(rows())
    # matplotlib draws the upright lines of one call as one collection.
    collections = [len(re.findall("LineCollection", str(curve.plot.svg))) for curve in (soa, ca)]
    assert collections == [len(ARMS), 0]


def test_the_last_step_of_each_arm_is_what_tables_show() -> None:
    shown = last(rows())
    assert shown is not None
    assert shown.select("arm", "metric", "step").rows() == [
        ("base", "soa_c", None),
        *((arm, metric, 300) for arm in ARMS for metric in ("soa_c", "ca")),
    ]
    assert last(None) is None
    plain = rows((300,)).drop("step")
    assert last(plain) is plain


def test_the_page_shows_the_curves_and_the_last_steps() -> None:
    row = dict.fromkeys(DIFFERENCES) | {"arm": ARMS[1], "control": ARMS[0], "metric": "soa_c"}
    deltas = [row | {"delta": step / 1000, "step": step} for step in (100, 300)]
    differences = pl.DataFrame(deltas, schema=DIFFERENCES)
    page = render(ReportData("steps", metrics=rows(), differences=differences))
    assert page.count('aria-label="SOA-C by training steps"') == 1
    assert page.count('<section id="steps"') == 1
    assert "step 100" not in page
    assert "+30.0" in page and "+10.0" not in page
    plain = render(ReportData("steps", metrics=rows((300,))))
    assert 'id="steps"' not in plain and "By steps" not in plain
