"""Tests of the report's figures: curves that keep their means, marks in their place."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from recap_assets.evaluation import figures


def test_importing_the_figures_does_not_import_matplotlib() -> None:
    code = "import sys, recap_assets.evaluation.report; print('matplotlib' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_short_curve_is_shown_as_it_is() -> None:
    assert figures.stretches([(20, 0.5), (10, 1.0)]) == [(10.0, 1.0), (20.0, 0.5)]


def test_long_curve_is_means_of_equal_stretches() -> None:
    points = [(step, float(step)) for step in range(100)]
    assert figures.stretches(points, bins=4)[:2] == [(12.0, 12.0), (37.0, 37.0)]


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.floats(-100, 100)),
        min_size=1,
        max_size=400,
        unique_by=lambda p: p[0],
    )
)
def test_stretches_stay_in_bounds_and_in_order(points: list[tuple[int, float]]) -> None:
    line = figures.stretches(points)
    losses = [loss for _, loss in points]
    assert 1 <= len(line) <= 80
    assert [step for step, _ in line] == sorted(step for step, _ in line)
    assert all(min(losses) - 1e-9 <= loss <= max(losses) + 1e-9 for _, loss in line)


def test_losses_that_are_not_finite_are_left_out() -> None:
    points = [(1, 1.0), (2, math.nan), (3, math.inf), (4, 3.0)]
    assert figures.stretches(points) == [(1.0, 1.0), (4.0, 3.0)]
    assert figures.loss_curves({"mix-both-s0": [(1, math.nan)]}, "loss") is None
    assert figures.loss_curves({}, "loss") is None


def _svg(text: str) -> ET.Element:
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return ET.fromstring(text.replace("<svg", f"<svg {spaces}", 1))


def test_loss_curves_draw_a_line_a_curve_in_page_colours() -> None:
    curves = {
        "mix-both-s1": [(0, 1.0), (10, 0.5)],
        "alttext-both-s0": [(0, 1.0), (10, 0.25)],
        "mix-both-s0": [(0, 1.0), (10, 0.125)],
    }
    plot = figures.loss_curves(curves, "Training <loss>")
    assert plot is not None
    assert [(key.label, key.last) for key in plot.keys] == [
        ("alttext-both-s0", "0.250"),
        ("mix-both-s0", "0.125"),
        ("mix-both-s1", "0.500"),
    ]
    assert plot.keys[1].colour == plot.keys[2].colour != plot.keys[0].colour
    assert plot.keys[1].dash != plot.keys[2].dash
    root = _svg(str(plot.svg))
    assert root.attrib["aria-label"] == "Training <loss>"
    drawn = [path.get("style", "") for path in root.iter("{http://www.w3.org/2000/svg}path")]
    for key in plot.keys:
        assert any(f"stroke: {key.colour}" in style for style in drawn)
    assert not re.search(r"#0[12]0[0-9a-f]{3}", str(plot.svg))


def test_loss_curves_name_no_outside_address_and_share_no_ids() -> None:
    curve = {"recap": [(0, 2.0), (5, 1.0)]}
    one, two = figures.loss_curves(curve, "first"), figures.loss_curves(curve, "second")
    assert one is not None
    assert two is not None
    assert "http" not in one.svg
    ids = [set(re.findall(r'id="([^"]+)"', str(plot.svg))) for plot in (one, two)]
    assert ids[0]
    assert not ids[0] & ids[1]
    for plot, known in zip((one, two), ids, strict=True):
        assert set(re.findall(r'(?:href="|url\()#([^")]+)', str(plot.svg))) <= known


def test_loss_curves_are_the_same_text_every_time() -> None:
    curve = {"recap": [(step, 1 / (step + 1)) for step in range(300)]}
    assert figures.loss_curves(curve, "x") == figures.loss_curves(curve, "x")


def test_mark_lies_where_the_interval_lies() -> None:
    mark = _svg(str(figures.interval_mark(-0.5, 0.0, 1.0, settled=False)))
    line, circle = mark
    assert (line.get("x1"), line.get("x2"), circle.get("cx")) == ("27.00%", "96.00%", "50.00%")
    assert mark.get("class") == "mark"


def test_mark_without_interval_is_a_point() -> None:
    mark = _svg(str(figures.interval_mark(None, -1.0, None, settled=True)))
    assert [child.tag.split("}")[1] for child in mark] == ["circle"]
    assert mark.get("class") == "mark settled"
