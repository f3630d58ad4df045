"""The checks of a captioned shard: failed, too long, repeated, or poor in counts and places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from recap_assets.captions import quality
from recap_assets.experiment.config import Gate
from recap_assets.experiment.keys import ALT
from recap_assets.experiment.project import Project
from recap_assets.stages import encoders, human
from recap_assets.stages.recipes import recipe, statuses, store
from recap_assets.stages.stage import Check

Shares = dict[str, float]
_CURE = "look at the view `captions`, change prompt or captioner, or raise the limit"


class Measure(NamedTuple):
    """How a gate is measured, and what a share over its limit says and asks for.

    shares: by style, or style and what of it.
    told: said after the share, with `part` for its name.
    """

    shares: Callable[[Project, str], Shares]
    told: str
    cure: str = _CURE


def check(project: Project, shard: str, name: Gate) -> Check:
    """Whether the shard's captions are within the limit of one of `GATES`.

    Alt-text is what it is, and exempt. A style that cannot be measured, such as one that people
    wrote no captions of, is not held to the limit.
    """
    gates, measure = project.config.gates, GATES[name]
    limit: float = getattr(gates, name)
    shares = measure.shares(project, shard)
    part, worst = max(shares.items(), key=lambda found: found[1], default=("", 0.0))
    reason = None
    if worst > limit:
        told = measure.told.format(part=part, statuses=_told(_total(project, shard)))
        reason = f"shard {shard}: {worst:.1%} of {told}, more than gates.{name} = {limit:g}; "
        reason += measure.cure
    return Check(name, shares, reason, name in gates.hard)


def _errors(project: Project, shard: str) -> Shares:
    total = _total(project, shard)
    return {"all": (sum(total.values()) - total["ok"]) / max(1, sum(total.values()))}


def _total(project: Project, shard: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for style, counts in statuses(project, shard).items():
        if style != ALT:
            total.update(counts)
    return total


def _told(total: Counter[str]) -> str:
    return ", ".join(f"{n} {status}" for status, n in sorted(total.items()))


def _over_limit(project: Project, shard: str) -> Shares:
    limits = encoders.limits(project)
    return _known(
        {
            f"{style}, {column}": quality.over_limit(rows, column, limit)
            for style, rows in _rows(project, shard).items()
            for column, limit in limits.items()
        }
    )


def _repeated(project: Project, shard: str) -> Shares:
    return _known(
        {style: quality.most_frequent(rows) for style, rows in _rows(project, shard).items()}
    )


def _lost_words(project: Project, shard: str) -> Shares:
    measures = {"number": quality.numbers, "place": quality.places}
    found: dict[str, float | None] = {}
    for style, rows in _rows(project, shard).items():
        written = _human(project, style)
        if written is not None:
            found |= {
                f"{name} words, style {style}": quality.lost(measure(rows), measure(written))
                for name, measure in measures.items()
            }
    return _known(found)


def _rows(project: Project, shard: str) -> dict[str, pl.DataFrame]:
    """The shard's rows of every style but alt-text; styles without rows are left out."""
    found = {
        style: store(project).read(recipe(project, style), shard) for style in project.config.styles
    }
    return {style: rows for style, rows in found.items() if rows is not None}


def _human(project: Project, style: str) -> pl.DataFrame | None:
    """What people wrote in a style, or None where that is not known."""
    if style not in project.config.human.captions:
        return None
    if not human.made(project, style, human.wanted(project, style)):
        return None
    written = pl.read_parquet(project.human_captions(style), columns=["caption"])
    return written.with_columns(status=pl.lit("ok"))


def _known(values: dict[str, float | None]) -> Shares:
    return {part: value for part, value in values.items() if value is not None}


GATES: dict[Gate, Measure] = {
    "caption_error_rate": Measure(
        _errors,
        "the captions are not ok ({statuses})",
        "look at the view `quarantine`, change prompt or captioner, or raise the limit",
    ),
    "over_limit_share": Measure(
        _over_limit,
        "the captions are longer than their text encoder reads ({part})",
        "lower the style's max_tokens or raise the limit",
    ),
    "repeated_caption_share": Measure(_repeated, "the captions of style {part} are the same"),
    "lost_words": Measure(_lost_words, "what people write is missing ({part})"),
}
