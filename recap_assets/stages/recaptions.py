"""Stage `recaptions`: the caption rows of every style for one shard."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

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
from recap_assets.stages import captioner, images, refresh
from recap_assets.stages.memory import remembered
from recap_assets.stages.progress import tell
from recap_assets.stages.recaption_facts import facts
from recap_assets.stages.recipes import (
    is_current,
    pictures,
    plans,
    recipe,
    recipes,
    statuses,
    store,
)
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
    made_rows = {ALT_STYLE: caption_rows.build_alt(todo[ALT_STYLE].todo, stamp)}
    seconds: dict[str, float] = {}
    for group in _groups(project, todo):
        started = time.monotonic()
        made_rows |= _caption(project, shard, group, todo[group[0]].todo, stamp)
        seconds |= dict.fromkeys(group, (time.monotonic() - started) / len(group))
    contents = {}
    for style, plan in todo.items():
        its, fresh = recipe(project, style), made_rows[style]
        contents[style] = (
            store(project)
            .publish(
                its,
                shard,
                pl.concat([plan.kept, fresh]),
                pictures(project, its, shard),
                fresh.height,
                seconds.get(style, 0.0),
            )
            .footer.content
        )
    pending.clear(project.root, shard)
    computed = sum(made_rows[style].height for style in made_rows if style != ALT_STYLE)
    return Product(
        version=digest(contents),
        computed=computed,
        facts=facts(project, shard, todo, computed),
        gate=gate(project, shard),
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
    """The rows of several styles, each batch kept on disk as soon as it is made."""
    rows = {style: [empty()] for style in styles}
    # Neither torch nor the captioner is touched when there is nothing to say.
    for start, texts in _texts(project, shard, styles, todo) if todo.height else ():
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
    with PictureReader(tar.path, project.config.dataset.max_pixels) as reader:
        for start in range(0, todo.height, batch):
            yield reader.tensor(todo.slice(start, batch), size)


def _stamp(project: Project) -> caption_rows.Stamp:
    from recap_assets.diffusion.load import tokenizer

    t2i = project.config.t2i
    words: Any = tokenizer(project.model(t2i.model), t2i.revision)
    return caption_rows.Stamp(
        run_id=current_run_id(),
        created_at=datetime.now(UTC),
        count_clip=lambda text: len(words(text, verbose=False).input_ids),
    )


def gate(project: Project, shard: str) -> str | None:
    """Why nothing should be trained on the shard's captions, if there is a reason."""
    total: Counter[str] = Counter()
    for style, counts in statuses(project, shard).items():
        if style != ALT_STYLE:
            total.update(counts)
    bad = sum(n for status, n in total.items() if status != "ok")
    rate = bad / max(1, sum(total.values()))
    limit = project.config.gates.caption_error_rate
    if rate <= limit:
        return None
    told = ", ".join(f"{n} {status}" for status, n in sorted(total.items()))
    return (
        f"shard {shard}: {rate:.1%} of the captions are not ok ({told}), more than "
        f"gates.caption_error_rate = {limit:g}; look at the view `quarantine`, change prompt or "
        "captioner, or raise the limit"
    )


STAGE = Stage(NAME, keys, wanted, made, seen, build)
