"""Stage `recaptions`: the caption rows of every style for one shard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import polars as pl

from recap_assets.captions import rows as caption_rows
from recap_assets.captions.plan import Plan, Refresh
from recap_assets.experiment.checks import ALT as ALT_STYLE
from recap_assets.experiment.fingerprint import digest
from recap_assets.experiment.project import Project
from recap_assets.images.reader import PictureReader
from recap_assets.stages import caption_checks, captioner, encoders, images
from recap_assets.stages.memory import remembered
from recap_assets.stages.progress import tell
from recap_assets.stages.recaption_facts import facts
from recap_assets.stages.recipes import plans, recipe, recipes, store
from recap_assets.stages.run_id import current_run_id
from recap_assets.stages.stage import Key, NotReady, Product, Stage, named

NAME = "recaptions"


def keys(project: Project) -> list[Key]:
    """Every shard of the data set."""
    return images.keys(project)


@remembered
def wanted(project: Project, key: Key) -> str:
    """The usable pictures with their alt-text, and every recipe."""
    rows = images.usable(project, named(key)).select("uid", "alt").sort("uid").rows()
    return digest([rows, {style: its.digest for style, its in recipes(project).items()}])


def made(project: Project, key: Key, version: str) -> bool:
    """Whether every style has exactly the rows of the shard's pictures."""
    shard = named(key)
    index = images.frame(project, shard)
    for its in recipes(project).values():
        if store(project).digest(its, shard) is None:
            return False
        plan = store(project).plan(index, its)
        stored = store(project).read(its, shard)
        if plan.todo.height or stored is None or stored.height != plan.kept.height:
            return False
    return True


def seen(project: Project, key: Key) -> bool:
    """Whether any captions of the shard are there."""
    return any(project.captions.glob(f"style=*/recipe=*/{named(key)}.parquet"))


def build(project: Project, key: Key, refresh: Refresh = "stale") -> Product:
    """Caption what is missing, keep the rest; all styles of a captioner share one image encode."""
    shard = named(key)
    todo = plans(project, shard, refresh)
    stamp = _stamp(project)
    made_rows = {ALT_STYLE: caption_rows.build_alt(todo[ALT_STYLE].todo, stamp)}
    for group in _groups(project, todo):
        made_rows |= _caption(project, shard, group, todo[group[0]].todo, stamp)
    published = {
        style: store(project).publish(
            recipe(project, style), shard, pl.concat([plan.kept, made_rows[style]])
        )
        for style, plan in todo.items()
        if style in made_rows or plan.kept.height or not plan.todo.height
    }
    computed = sum(made_rows[style].height for style in made_rows if style != ALT_STYLE)
    return Product(
        version=digest({style: done.sha256 for style, done in published.items()}),
        computed=computed,
        facts=facts(project, shard, todo, computed),
        checks=tuple(caption_checks.check(project, shard, name) for name in caption_checks.GATES),
    )


def _groups(project: Project, todo: dict[str, Plan]) -> list[list[str]]:
    """Styles that one captioner has to write for the same pictures."""
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for style, mine in project.config.styles.items():
        uids = tuple(todo[style].todo["uid"])
        groups.setdefault((mine.captioner, uids), []).append(style)
    return list(groups.values())


def _caption(
    project: Project, shard: str, styles: list[str], todo: pl.DataFrame, stamp: caption_rows.Stamp
) -> dict[str, pl.DataFrame]:
    if not todo.height:
        # Neither torch nor the captioner is touched when there is nothing to say.
        return {
            style: caption_rows.build(todo, [], recipe(project, style), stamp) for style in styles
        }
    from recap_assets.captioning.generate import caption
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
    texts = caption(
        model, _pictures(project, shard, todo, model.size, settings.batch), asked, settings.batch
    )
    return {
        style: caption_rows.build(
            todo,
            [caption_rows.Generated(made.text, made.finished) for made in texts[style]],
            recipe(project, style),
            stamp,
        )
        for style in styles
    }


def _pictures(
    project: Project, shard: str, todo: pl.DataFrame, size: int, batch: int
) -> Iterator[np.ndarray]:
    tar = images.source(project, shard)
    with PictureReader(tar.path, project.config.dataset.max_pixels) as reader:
        for start in range(0, todo.height, batch):
            yield reader.tensor(todo.slice(start, batch), size)
            tell(min(start + batch, todo.height), todo.height, f"captioning shard {shard}")


def _stamp(project: Project) -> caption_rows.Stamp:
    return caption_rows.Stamp(current_run_id(), datetime.now(UTC), **encoders.counters(project))


STAGE = Stage(NAME, keys, wanted, made, seen, build)
