"""The captions that a shard lacks, written batch by batch; each batch is kept as it is made."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from recap_assets.captioning.question import Question
from recap_assets.captions import pending
from recap_assets.captions import rows as caption_rows
from recap_assets.captions.plan import Plan
from recap_assets.captions.schema import empty
from recap_assets.experiment.project import Project
from recap_assets.stages import captioner, images
from recap_assets.stages.progress import tell
from recap_assets.stages.recipes import recipe
from recap_assets.stages.shard_source import ShardSource
from recap_assets.stages.stage import NotReady


class Written(NamedTuple):
    """New caption rows of one style, and its share of the seconds that they took."""

    rows: pl.DataFrame
    seconds: float


def write(
    project: Project, shard: str, todo: dict[str, Plan], stamp: caption_rows.Stamp
) -> dict[str, Written]:
    """Caption the pictures of every generated style's plan.

    Raises:
        NotReady: if a captioner that is needed is not tuned as it should be.
    """
    rows = {style: [empty()] for style in project.config.styles}
    seconds = dict.fromkeys(rows, 0.0)
    for styles, asked in _groups(project, todo):
        started = time.monotonic()
        for style, made in _caption(project, shard, styles, asked, stamp).items():
            rows[style].append(made)
        for style in styles:
            seconds[style] += (time.monotonic() - started) / len(styles)
    return {style: Written(pl.concat(parts), seconds[style]) for style, parts in rows.items()}


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
    settings = captioner.resolved(project, name)
    model = load(captioner.folder(project, name, version), settings)
    source = ShardSource(
        images.source(project, shard),
        todo.select("key", "offset", "size", "image_sha256"),
        project.config.dataset.max_pixels,
    )
    questions = [_question(project, style, todo) for style in styles]
    for start, made in batches(model, source, todo.height, questions, settings.batch):
        yield (
            start,
            {
                style: [caption_rows.Generated(one.text, one.finished, one.error) for one in rows]
                for style, rows in made.items()
            },
        )


def _question(project: Project, style: str, todo: pl.DataFrame) -> Question:
    mine, its = project.config.styles[style], recipe(project, style)
    return Question(
        style,
        [mine.prompt] * todo.height,
        mine.max_tokens,
        [its.seed(sha256) for sha256 in todo["image_sha256"]],
        mine.temperature,
        mine.top_p,
        mine.candidates,
        mine.picture,
    )
