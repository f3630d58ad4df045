"""Figures of the report page: loss curves and interval marks as inline SVG that follows the page's
light or dark colours."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from recap_assets.evaluation.report_arms import Arm, parse

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BINS = 80
_NAMED = ("alttext", "short", "long", "mix")
_OTHERS = 4
_DASHES = ("", "5 2.5", "1.5 2", "7 2 1.5 2")
# matplotlib needs real colours; these stand for the page's custom properties and are replaced.
_STAND_INS = {
    "#010101": "var(--ink-soft)",
    "#010102": "var(--rule)",
    **{f"#0102{slot:02x}": f"var(--series-{slot})" for slot in range(len(_NAMED) + _OTHERS)},
}


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


def interval_mark(low: float | None, middle: float, high: float | None, *, settled: bool) -> Markup:
    """One row of a forest plot: positions in -1..1 with zero in the middle.

    `settled` (the interval misses zero) fills the point; an open point could be zero.
    """
    line = Markup("")
    if low is not None and high is not None:
        line = Markup('<line x1="{:.2f}%" x2="{:.2f}%" y1="50%" y2="50%"/>').format(
            _percent(low), _percent(high)
        )
    return Markup(
        '<svg class="mark{}" aria-hidden="true">{}<circle cx="{:.2f}%" cy="50%" r="4.5"/></svg>'
    ).format(" settled" if settled else "", line, _percent(middle))


def _percent(position: float) -> float:
    """A position in -1..1 as percent of the width, clear of the edges."""
    return 50 + 46 * max(-1.0, min(1.0, position))


def loss_curves(curves: Mapping[str, Sequence[tuple[int, float]]], label: str) -> Plot | None:
    """Loss against step, one line a curve, as means of at most 80 equal stretches of steps.

    Keys of the form of an arm's take the arm's colour, further seeds of it other dashes. `label`
    describes the picture to people who cannot see it. None without a finite point.
    """
    binned = [(parse(key), stretches(points)) for key, points in curves.items()]
    binned = sorted(((arm, line) for arm, line in binned if line), key=lambda item: item[0].order)
    if not binned:
        return None
    styles = _styles([arm for arm, _ in binned])
    keys = [
        Key(arm.key, f"var(--series-{slot})", _DASHES[dash], f"{line[-1][1]:.3f}")
        for (arm, line), (slot, dash) in zip(binned, styles, strict=True)
    ]
    return Plot(_draw([line for _, line in binned], styles, label), keys)


def stretches(points: Iterable[tuple[int, float]], bins: int = _BINS) -> list[tuple[float, float]]:
    """(mean step, mean loss) of equal stretches of steps; losses not finite are left out."""
    kept = sorted((step, loss) for step, loss in points if math.isfinite(loss))
    if len(kept) <= bins:
        return [(float(step), float(loss)) for step, loss in kept]
    first, span = kept[0][0], kept[-1][0] - kept[0][0] or 1
    gathered: dict[int, list[tuple[int, float]]] = {}
    for step, loss in kept:
        gathered.setdefault(min(bins - 1, (step - first) * bins // span), []).append((step, loss))
    return [
        (sum(step for step, _ in part) / len(part), sum(loss for _, loss in part) / len(part))
        for part in gathered.values()
    ]


def _styles(arms: list[Arm]) -> list[tuple[int, int]]:
    """(colour slot, dash) of each arm: a colour for a name, a dash for each further arm of it."""
    others = sorted({arm.name for arm in arms} - set(_NAMED))
    slots = {name: slot for slot, name in enumerate(_NAMED)}
    slots |= {name: len(_NAMED) + place % _OTHERS for place, name in enumerate(others)}
    used: dict[int, int] = {}
    styles = []
    for arm in arms:
        slot = slots[arm.name]
        styles.append((slot, used.get(slot, 0) % len(_DASHES)))
        used[slot] = used.get(slot, 0) + 1
    return styles


def _draw(
    lines: list[list[tuple[float, float]]], styles: list[tuple[int, int]], label: str
) -> Markup:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": label, "font.size": 8.5}):
        figure = Figure(figsize=(4.9, 2.7), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        for line, (slot, dash) in zip(lines, styles, strict=True):
            _line(axes, line, slot, dash)
        _quiet(axes)
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    return _inline(buffer.getvalue(), label)


def _line(axes: Axes, line: list[tuple[float, float]], slot: int, dash: int) -> None:
    steps, losses = zip(*line, strict=True)
    pattern = tuple(float(part) for part in _DASHES[dash].split())
    axes.plot(
        steps,
        losses,
        color=f"#0102{slot:02x}",
        linewidth=1.3,
        linestyle=(0, pattern) if pattern else "-",
        marker="o" if len(line) == 1 else None,
    )


def _quiet(axes: Axes) -> None:
    """Labels, ticks and rules in the page's own quiet colours."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    ink, rule = "#010101", "#010102"
    axes.set_xlabel("step", color=ink)
    axes.set_ylabel("loss", color=ink)
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
