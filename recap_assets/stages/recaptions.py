"""Stage `recaptions`: the caption rows of every style for one shard."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import polars as pl

from recap_assets.captions import pending
from recap_assets.captions import rows as caption_rows
from recap_assets.captions.plan import Plan
from recap_assets.captions.recipe import Recipe
from recap_assets.captions.schema import empty
from recap_assets.experiment.checks import ALT as ALT_STYLE
from recap_assets.experiment.fingerprint import digest
from recap_assets.experiment.project import Project
from recap_assets.images.reader import PictureReader
from recap_assets.stages import caption_checks, captioner, encoders, images, refresh
from recap_assets.stages.memory import remembered
from recap_assets.stages.progress import tell
from recap_assets.stages.recaption_facts import facts
from recap_assets.stages.recipes import is_current, pictures, plans, recipe, recipes, store
from recap_assets.stages.run_id import current_run_id
from recap_assets.stages.stage import Key, NotReady, Product, Stage, named

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
    """Whether every style has just the rows of the shard's pictures, and none to be done again."""
    shard = named(key)
    return all(
        is_current(project, its, shard) and not _again(project, its, shard)
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
    rows = {style: [plan.kept] for style, plan in todo.items()}
    rows[ALT_STYLE].append(caption_rows.build_alt(todo[ALT_STYLE].todo, stamp))
    seconds = dict.fromkeys(todo, 0.0)
    for styles, asked in _groups(project, todo):
        started = time.monotonic()
        for style, made_rows in _caption(project, shard, styles, asked, stamp).items():
            rows[style].append(made_rows)
            seconds[style] += (time.monotonic() - started) / len(styles)
    contents = {
        style: _publish(project, shard, style, pl.concat(parts), todo[style], seconds[style])
        for style, parts in rows.items()
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
    project: Project, shard: str, style: str, rows: pl.DataFrame, plan: Plan, seconds: float
) -> str:
    """Make `rows` those of the shard; their content digest."""
    its = recipe(project, style)
    of = pictures(project, its, shard)
    done = store(project).publish(its, shard, rows, of, plan.todo.height, seconds)
    return done.footer.content


def _groups(project: Project, todo: dict[str, Plan]) -> Iterator[tuple[list[str], pl.DataFrame]]:
    """Pictures that need the same styles of one captioner, so that each is encoded once."""
    for name in project.config.captioners:
        mine = [style for style, its in project.config.styles.items() if its.captioner == name]
        needs: dict[str, list[str]] = {}
        for style in mine:
            for uid in todo[style].todo["uid"]:
                needs.setdefault(uid, []).append(style)
        for styles in sorted(set(map(tuple, needs.values()))):
            uids = [uid for uid, wanted in needs.items() if tuple(wanted) == styles]
            yield list(styles), todo[styles[0]].todo.filter(pl.col("uid").is_in(uids))


def _caption(
    project: Project, shard: str, styles: list[str], todo: pl.DataFrame, stamp: caption_rows.Stamp
) -> dict[str, pl.DataFrame]:
    """The rows of several styles, each batch kept on disk as soon as it is made."""
    rows = {style: [empty()] for style in styles}
    for start, texts in _texts(project, shard, styles, todo):
        size = len(texts[styles[0]])
        batch = {
            style: caption_rows.build(
                todo.slice(start, size), texts[style], recipe(project, style), stamp
            )
            for style in styles
        }
        pending.add(project.root, shard, pl.concat(batch.values()))
        tell(start + size, todo.height, f"captioning shard {shard}")
        for style in styles:
            rows[style].append(batch[style])
    return {style: pl.concat(rows[style]) for style in styles}


def _texts(
    project: Project, shard: str, styles: list[str], todo: pl.DataFrame
) -> Iterator[tuple[int, dict[str, list[caption_rows.Generated]]]]:
    """Batch by batch, the place of its first picture in `todo` and what the captioner wrote."""
    from recap_assets.captioning.generate import batches
    from recap_assets.captioning.load import load

    name = project.config.styles[styles[0]].captioner
    version = captioner.wanted(project, name)
    if not captioner.made(project, name, version):
        raise NotReady(f"captioner[{name}] is not tuned as it should be now")
    settings = captioner.settings(project, name)
    model = load(captioner.folder(project, name, version), settings.revision)
    asked = {
        style: (project.config.styles[style].prompt, project.config.styles[style].max_tokens)
        for style in styles
    }
    start = 0
    shown = _pictures(project, shard, todo, model.size, settings.batch)
    for made in batches(model, shown, asked, settings.batch):
        yield (
            start,
            {
                style: [caption_rows.Generated(one.text, one.finished) for one in made[style]]
                for style in styles
            },
        )
        start += len(made[styles[0]])


def _pictures(
    project: Project, shard: str, todo: pl.DataFrame, size: int, batch: int
) -> Iterator[np.ndarray]:
    tar = images.source(project, shard)
    with PictureReader(tar, project.config.dataset.max_pixels) as reader:
        for start in range(0, todo.height, batch):
            yield reader.tensor(todo.slice(start, batch), size)


def _stamp(project: Project) -> caption_rows.Stamp:
    return caption_rows.Stamp(current_run_id(), datetime.now(UTC), **encoders.counters(project))


STAGE = Stage(NAME, keys, wanted, made, seen, build)
