"""The prompts of a shard's pictures: alt-text and earlier captions put where they are quoted."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from recap_assets.experiment.keys import ALT
from recap_assets.experiment.project import Project
from recap_assets.experiment.template import fields, fill, levels

#: Statuses of captions that may be quoted.
_USABLE = ("ok", "truncated")


class Asked(NamedTuple):
    """What one style asks of index rows: those that can be asked, each with its prompt, and those
    that cannot, each with its reason."""

    rows: pl.DataFrame
    prompts: dict[str, str]
    left: pl.DataFrame
    reasons: list[str]


def waves(project: Project) -> list[list[str]]:
    """The generated styles in groups that quote only styles of earlier groups."""
    return levels({name: fields(style.prompt) for name, style in project.config.styles.items()})


def ask(
    project: Project, style: str, todo: pl.DataFrame, known: Callable[[str], pl.DataFrame]
) -> Asked:
    """The prompts of the index rows `todo`, by uid.

    known: the caption rows of a style that was made before. A caption that failed is not quoted:
    what should quote it fails for that reason, and `--refresh errors` makes both again.
    """
    template = project.config.styles[style].prompt
    names = fields(template)
    said = {name: _captions(known(name)) for name in names if name != ALT}
    prompts: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for uid, alt in todo.select("uid", pl.col("alt").fill_null("")).iter_rows():
        texts = {name: alt if name == ALT else said[name].get(uid) for name in names}
        failed = [name for name, text in texts.items() if text is None]
        if failed:
            reasons[uid] = f"its caption of style {failed[0]!r}, which is quoted, failed"
        else:
            prompts[uid] = fill(template, {name: text or "" for name, text in texts.items()})
    left = todo.filter(pl.col("uid").is_in(list(reasons)))
    return Asked(
        todo.filter(pl.col("uid").is_in(list(prompts))),
        prompts,
        left,
        [reasons[uid] for uid in left["uid"]],
    )


def _captions(rows: pl.DataFrame) -> dict[str, str]:
    """The captions that may be quoted, by uid."""
    usable = rows.filter(pl.col("status").is_in(_USABLE))
    return dict(usable.select("uid", "caption").iter_rows())
