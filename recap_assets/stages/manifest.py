"""Stage `caption_manifest`: the exact caption set of a style, addressed by its content."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from recap_assets.captions import manifest
from recap_assets.captions import rows as caption_rows
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.project import Project
from recap_assets.stages import foresight, held_out, images, inputs, recipes
from recap_assets.stages.memory import remembered
from recap_assets.stages.stage import Key, NotReady, Product, Stage, Table, named

NAME = "caption_manifest"
#: Who writes rows that are only looked at.
_NOBODY = caption_rows.Stamp("", datetime.fromtimestamp(0, UTC))


def keys(project: Project) -> list[Key]:
    """Every style, alt-text among them."""
    return list(project.style_names())


@remembered
def wanted(project: Project, key: Key) -> str:
    """A digest of the shards' footers and of the held-out pictures."""
    style = named(key)
    its = recipes.recipe(project, style)
    _check_shards(project, style)
    return manifest.version(
        recipes.store(project), its, _shards(project), held_out.held_out(project)
    )


@remembered
def content(project: Project, style: str) -> str:
    """The content digest of the style's current caption set."""
    if foresight.folder() is not None:
        return _foreseen(project, style)
    found = manifest.lookup(project.root, style, wanted(project, style))
    if found is None:
        raise NotReady(f"caption_manifest[{style}] is not built from the shards as they are now")
    return found


def _foreseen(project: Project, style: str) -> str:
    """What the content digest will be, if no picture is still to be captioned."""
    its = recipes.recipe(project, style)
    kept = {}
    for shard in _shards(project):
        plan = recipes.store(project).plan(images.frame(project, shard), its)
        if plan.todo.height and not its.copies_alt:
            raise NotReady(f"recaptions[{shard}] has captions of style {style!r} to write")
        rows = pl.concat([plan.kept, caption_rows.build_alt(plan.todo, _NOBODY)])
        kept[shard] = manifest.narrow(rows)
    return manifest.gather(kept, held_out.held_out(project)).content


def frame(project: Project, style: str) -> pl.DataFrame:
    """The style's current caption set."""
    return manifest.load(project.root, style, content(project, style))


def made(project: Project, key: Key, version: str) -> bool:
    """Whether a caption set of these footers was saved."""
    return manifest.lookup(project.root, named(key), version) is not None


def seen(project: Project, key: Key) -> bool:
    """Whether the style has any caption set."""
    return (project.root / "manifests" / named(key)).is_dir()


def build(project: Project, key: Key) -> Product:
    """Gather the good captions of all shards, without the held-out pictures."""
    style = named(key)
    version = wanted(project, key)
    fresh = not made(project, key, version)
    left_out: dict[str, int] = {}
    if fresh:
        its = recipes.recipe(project, style)
        built = manifest.build(
            recipes.store(project), its, _shards(project), held_out.held_out(project)
        )
        manifest.save(project.root, style, version, built)
        left_out = {
            "not_ok": built.not_ok,
            "repeated_pictures": built.repeated,
            "held_out": built.held_out,
        }
    rows = frame(project, style)
    return Product(
        version=content(project, style),
        computed=rows.height if fresh else 0,
        facts={
            "captions": rows.height,
            "distinct": rows["caption"].n_unique(),
            "shards": len(_shards(project)),
            "path": manifest.path(project.root, style, content(project, style)),
            "examples": Table(rows.select("shard", "caption").head(8)),
            **left_out,
        },
    )


def _shards(project: Project) -> list[str]:
    return sorted(inputs.shards(project))


def _check_shards(project: Project, style: str) -> None:
    """Every registered shard must be captioned as it is now, else the set would mix old and new."""
    its = recipes.recipe(project, style)
    for shard in _shards(project):
        if not recipes.is_current(project, its, shard):
            raise NotReady(
                f"recaptions[{shard}] is not captioned in style {style!r} as its pictures are now"
            )


def check_rows(project: Project, style: str) -> None:
    """Refuse an empty caption set before training is paid for.

    Raises:
        UserError: if the style has no good caption at all.
    """
    if not frame(project, style).height:
        raise UserError(
            f"style {style!r}: no picture has a good caption; look at the view `quarantine`"
        )


STAGE = Stage(NAME, keys, wanted, made, seen, build)
