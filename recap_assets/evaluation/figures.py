"""Figures of the report page: loss curves and interval marks as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

from recap_assets.evaluation.plot import DASHES, Key, Line, Plot, draw, styles
from recap_assets.evaluation.report_arms import parse

_BINS = 80


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
    looks = styles([arm for arm, _ in binned])
    lines = [Line(line, *look) for (_, line), look in zip(binned, looks, strict=True)]
    keys = [
        Key(arm.key, f"var(--series-{line.slot})", DASHES[line.dash], f"{line.points[-1][1]:.3f}")
        for (arm, _), line in zip(binned, lines, strict=True)
    ]
    return Plot(draw(lines, label, "loss"), keys)


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
