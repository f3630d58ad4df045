"""Stage `recaptions`: the caption rows of every style for one shard."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from recap_assets.captions import pending
from recap_assets.captions import rows as caption_rows
from recap_assets.captions.plan import Plan
from recap_assets.captions.recipe import Recipe
from recap_assets.experiment.fingerprint import digest
from recap_assets.experiment.keys import ALT as ALT_STYLE
from recap_assets.experiment.project import Project
from recap_assets.stages import caption_checks, encoders, images, refresh, shard_captions
from recap_assets.stages.memory import remembered
from recap_assets.stages.recaption_facts import facts
from recap_assets.stages.recipes import is_current, pictures, plans, recipe, recipes, store
from recap_assets.stages.run_id import current_run_id
from recap_assets.stages.shard_captions import Written
from recap_assets.stages.stage import Key, Product, Stage, named

NAME = "recaptions"


def keys(project: Project) -> list[Key]:
    """Every shard of the data set."""
    return images.keys(project)


@remembered
def wanted(project: Project, key: Key) -> str:
    """The usable pictures with their alt-text, and every recipe."""
    shown = images.pictures(project, named(key), texts=True)
    return digest([shown, {style: its.digest for style, its in recipes(project).items()}])


def made(project: Project, key: Key, version: str) -> bool:
    """Whether every style has just the rows of the shard's pictures, counted, none to do again."""
    shard = named(key)
    return all(
        is_current(project, its, shard)
        and _is_counted(project, its, shard)
        and not _again(project, its, shard)
        for its in recipes(project).values()
    )


def _again(project: Project, its: Recipe, shard: str) -> bool:
    """Whether rows that stand are asked for once more."""
    how = refresh.asked()
    if how == "stale" or its.copies_alt:
        return False
    footer = store(project).footer(its, shard)
    return footer is not None and (how == "all" or "error" in footer.statuses)


def seen(project: Project, key: Key) -> bool:
    """Whether any captions of the shard are there."""
    return any(project.captions.glob(f"style=*/recipe=*/{named(key)}.parquet"))


def build(project: Project, key: Key) -> Product:
    """Caption what is missing, keep the rest; all styles of a captioner share one image encode."""
    shard = named(key)
    todo = plans(project, shard, refresh.asked())
    stamp = _stamp(project)
    written = shard_captions.write(project, shard, todo, stamp)
    written[ALT_STYLE] = Written(caption_rows.build_alt(todo[ALT_STYLE].todo, stamp), 0.0)
    contents = {
        style: _publish(project, shard, style, plan, written[style], stamp)
        for style, plan in todo.items()
    }
    pending.clear(project.root, shard)
    computed = sum(plan.todo.height for style, plan in todo.items() if style != ALT_STYLE)
    return Product(
        version=digest(contents),
        computed=computed,
        facts=facts(project, shard, todo, computed),
        checks=tuple(caption_checks.check(project, shard, name) for name in caption_checks.GATES),
    )


def _publish(
    project: Project,
    shard: str,
    style: str,
    plan: Plan,
    written: Written,
    stamp: caption_rows.Stamp,
) -> str:
    """Make kept and new rows those of the shard; their content digest."""
    its, kept = recipe(project, style), plan.kept
    if plan.found or not _is_counted(project, its, shard):
        kept = caption_rows.recount(kept, stamp)
    done = store(project).publish(
        its,
        shard,
        pl.concat([kept, written.rows]),
        pictures=pictures(project, its, shard),
        counted=encoders.version(project),
        computed=written.rows.height,
        seconds=written.seconds,
    )
    return done.footer.content


def _is_counted(project: Project, its: Recipe, shard: str) -> bool:
    """Whether the shard's rows have their tokens counted for the text encoders as they are now."""
    footer = store(project).footer(its, shard)
    return footer is not None and footer.counted == encoders.version(project)


def _stamp(project: Project) -> caption_rows.Stamp:
    return caption_rows.Stamp(current_run_id(), datetime.now(UTC), **encoders.counters(project))


STAGE = Stage(NAME, keys, wanted, made, seen, build)
