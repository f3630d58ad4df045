"""A line plot of the report page as inline SVG that follows the page's light or dark colours."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from recap_assets.evaluation.report_arms import Arm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DASHES = ("", "5 2.5", "1.5 2", "7 2 1.5 2")
_NAMED = ("alttext", "short", "long", "mix")
_OTHERS = 4
# matplotlib needs real colours; these stand for the page's custom properties and are replaced.
_STAND_INS = {
    "#010101": "var(--ink-soft)",
    "#010102": "var(--rule)",
    **{f"#0102{slot:02x}": f"var(--series-{slot})" for slot in range(len(_NAMED) + _OTHERS)},
}


@dataclass(frozen=True)
class Line:
    """Points (x, y) in order, the colour slot and the dash of `styles`, and an interval a point.

    A point without an interval has None.
    """

    points: Sequence[tuple[float, float]]
    slot: int
    dash: int
    intervals: Sequence[tuple[float, float] | None] = ()


@dataclass(frozen=True)
class Key:
    """A legend entry: name, colour (a CSS value), SVG dash pattern and the last value as text."""

    label: str
    colour: str
    dash: str
    last: str


@dataclass(frozen=True)
class Plot:
    """An inline SVG and its legend, which the page sets as text."""

    svg: Markup
    keys: list[Key]


def styles(arms: list[Arm]) -> list[tuple[int, int]]:
    """(colour slot, dash) of each arm: a colour for a name, a dash for each further arm of it."""
    others = sorted({arm.name for arm in arms} - set(_NAMED))
    slots = {name: slot for slot, name in enumerate(_NAMED)}
    slots |= {name: len(_NAMED) + place % _OTHERS for place, name in enumerate(others)}
    used: dict[int, int] = {}
    found = []
    for arm in arms:
        slot = slots[arm.name]
        found.append((slot, used.get(slot, 0) % len(DASHES)))
        used[slot] = used.get(slot, 0) + 1
    return found


def draw(lines: Sequence[Line], label: str, unit: str) -> Markup:
    """The lines over steps; `unit` names the other axis, `label` the picture for who cannot see."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": label, "font.size": 8.5}):
        figure = Figure(figsize=(4.9, 2.7), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        for line in lines:
            _line(axes, line)
        _quiet(axes, unit)
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    return _inline(buffer.getvalue(), label)


def _line(axes: Axes, line: Line) -> None:
    steps, values = zip(*line.points, strict=True)
    pattern = tuple(float(part) for part in DASHES[line.dash].split())
    colour = f"#0102{line.slot:02x}"
    axes.plot(
        steps,
        values,
        color=colour,
        linewidth=1.3,
        linestyle=(0, pattern) if pattern else "-",
        marker="o" if len(line.points) == 1 or line.intervals else None,
        markersize=3,
    )
    known = [(x, *ends) for x, ends in zip(steps, line.intervals, strict=False) if ends]
    if known:
        axes.vlines(*zip(*known, strict=True), color=colour, linewidth=0.9)


def _quiet(axes: Axes, unit: str) -> None:
    """Labels, ticks and rules in the page's own quiet colours."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    ink, rule = "#010101", "#010102"
    axes.set_xlabel("step", color=ink)
    axes.set_ylabel(unit, color=ink)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y", color=rule, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=ink, length=0)
    axes.margins(x=0.01)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(rule)


def _inline(svg: str, label: str) -> Markup:
    """The `<svg>` element alone: no prolog, no metadata, no size, ids of its own, page colours."""
    text = svg[svg.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.S)
    head, body = text.split(">", 1)
    box = re.search(r'viewBox="([^"]+)"', head)
    prefix = re.sub(r"\W+", "-", label)
    body = re.sub(r" font-family: [^;]+;", "", body)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", body)
    for stand_in, colour in _STAND_INS.items():
        body = body.replace(stand_in, colour)
    opening = Markup('<svg class="plot" role="img" aria-label="{}" viewBox="{}">')
    return opening.format(label, box[1] if box else "0 0 350 190") + Markup(body)
