"""Stage `human_captions`: what people wrote, in one style."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from recap_assets.captions.human import HumanCaptions, content_digest, read_human
from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest
from recap_assets.experiment.project import Project
from recap_assets.images import dataset
from recap_assets.images.shard import Shard
from recap_assets.stages import foresight, inputs
from recap_assets.stages.memory import remembered
from recap_assets.stages.stage import Key, NotReady, Product, Stage, Table, named

NAME = "human_captions"
CODE = "2"


def keys(project: Project) -> list[Key]:
    """The styles that people wrote captions in."""
    return list(project.config.human.captions)


def wanted(project: Project, key: Key) -> str:
    """The settings, and the shards that the captions are read from."""
    style = named(key)
    if style not in project.config.human.captions:
        raise UserError(f"style {style!r}: recap.yaml names no human captions of it")
    stamps = [[one.key, *one.stamp()] for one in _shards(project)]
    shown = project.config.dataset
    return digest([CODE, project.config.human, shown.max_pixels, shown.caption, stamps])


def made(project: Project, key: Key, version: str) -> bool:
    """Whether the stored captions were read from the shards as they are now."""
    path = project.human_captions(named(key))
    return path.exists() and atomic.read_parquet_metadata(path).get("version") == version


def seen(project: Project, key: Key) -> bool:
    """Whether the style was read before."""
    return project.human_captions(named(key)).exists()


@remembered
def content(project: Project, style: str) -> str:
    """The content digest of a style's human captions."""
    if not made(project, style, wanted(project, style)):
        if foresight.folder() is None:
            raise NotReady(f"human_captions[{style}] is not read as its shards are now")
        return content_digest(_found(project).frame, style)
    return atomic.read_parquet_metadata(project.human_captions(style))["content"]


def frame(project: Project, styles: list[str]) -> pl.DataFrame:
    """The rows of several styles, with the encoded pictures."""
    for style in styles:
        content(project, style)
    return pl.concat([pl.read_parquet(project.human_captions(style)) for style in styles])


def build(project: Project, key: Key) -> Product:
    """Read the captions and split them into train and validation."""
    style = named(key)
    version = wanted(project, key)
    path = project.human_captions(style)
    fresh = not made(project, key, version)
    notes = _read(project, style, version) if fresh else {}
    rows = pl.read_parquet(path)
    return Product(
        version=atomic.read_parquet_metadata(path)["content"],
        computed=rows.height if fresh else 0,
        facts={
            "captions": rows.height,
            "train": rows.filter(pl.col("split") == "train").height,
            "validation": rows.filter(pl.col("split") == "validation").height,
            "words_mean": _mean_words(rows),
            "examples": Table(rows.select("key", "caption", "split").head(8)),
            "simulated": project.config.world is not None,
            "path": path,
            **notes,
        },
    )


def _read(project: Project, style: str, version: str) -> dict[str, object]:
    found = _found(project)
    rows = found.frame.filter(pl.col("style") == style)
    metadata = {"version": version, "content": content_digest(found.frame, style)}
    atomic.write_parquet(project.human_captions(style), rows, metadata)
    return {
        "skipped": ", ".join(f"{reason}: {n}" for reason, n in found.skipped.items()) or "none",
        "warnings": "; ".join(found.warnings) or "none",
    }


@remembered
def _found(project: Project) -> HumanCaptions:
    human = project.config.human
    return read_human(
        _shards(project),
        human.captions,
        human.images,
        human.validation,
        human.seed,
        project.config.dataset.max_pixels,
        project.config.dataset.caption,
    )


def _shards(project: Project) -> Sequence[Shard]:
    """The human captions' own shards, or those of the data set."""
    human, pictures = project.config.human, project.config.dataset
    if human.urls is None:
        return list(inputs.shards(project).values())
    source = human.source or pictures.source
    told = {"source": source, "urls": human.urls, "table": None}
    return dataset.shards(pictures.model_copy(update=told), project.locate)


def _mean_words(rows: pl.DataFrame) -> float:
    words = rows["caption"].str.split(" ").list.len().mean()
    return float(words) if isinstance(words, (int, float)) else 0.0


STAGE = Stage(NAME, keys, wanted, made, seen, build)
