"""What the store keeps and nothing asks for any more: old recipes, weights, pictures, tables."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import short
from recap_assets.experiment.project import Project
from recap_assets.stages import (
    captioner,
    checkpoint,
    gc_training,
    inputs,
    metrics,
    recaptions,
    recipes,
    samples,
)
from recap_assets.stages.memory import remembering
from recap_assets.stages.stage import NotReady, Stage, named


@dataclass(frozen=True)
class Garbage:
    """A file or folder that may go, why, and how many bytes it has."""

    path: Path
    reason: str
    size: int


def find(project: Project) -> list[Garbage]:
    """Everything that no partition of the project as it is now is made of.

    An old recipe's captions stay while the current recipe of its style lacks a shard, and old
    weights, samples and scores while their successors are not made: they may be all there is.

    Raises:
        UserError: if the data set's shards cannot be listed.
    """
    with remembering():
        found = [
            *_captions(project),
            *_retired(project),
            *_shards(project),
            *_products(project),
            *gc_training.trainings(project),
            *gc_training.latents(project),
            *gc_training.texts(project),
            *_unfinished(project),
        ]
    return [Garbage(path, reason, _size(path)) for path, reason in found]


def drop(garbage: list[Garbage]) -> int:
    """Delete it; how many bytes that freed.

    Raises:
        UserError: if something cannot be deleted; what was deleted before stays so.
    """
    freed = 0
    for one in garbage:
        try:
            shutil.rmtree(one.path) if one.path.is_dir() else one.path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                f"{one.path}: cannot be deleted ({error.strerror}); {freed:,} bytes were freed "
                "before it"
            ) from error
        freed += one.size
        with suppress(OSError):
            one.path.parent.rmdir()  # only when nothing is left in it
    return freed


#: Seconds after which nobody is still writing a file; a checkpoint takes minutes on a slow disk.
_AT_WORK = 24 * 3600
_Found = Iterator[tuple[Path, str]]


def _captions(project: Project) -> _Found:
    """Recipes that are not the current one of their style, and styles that are gone."""
    current = _recipes(project)
    for folder in sorted(project.captions.glob("style=*/recipe=*")):
        style = folder.parent.name.removeprefix("style=")
        name = folder.name.removeprefix("recipe=")
        if style not in project.style_names():
            yield folder, f"recap.yaml has no style {style!r}"
        elif style in current and name != current[style] and _complete(project, style):
            yield folder, f"captions of an old recipe of style {style!r}"


def _retired(project: Project) -> _Found:
    """Rows of pictures that left their shard, and batches of runs that were killed."""
    if (project.root / "retired").is_dir():
        yield project.root / "retired", "captions of pictures that left their shard"
    for folder in sorted((project.root / "pending").glob("*")):
        shard = folder.name
        if shard not in inputs.shards(project) or _is_made(project, recaptions.STAGE, shard):
            yield folder, "batches of a run that was stopped; the shard is captioned"


def _shards(project: Project) -> _Found:
    """Files of shards that the data set has no more."""
    known = inputs.shards(project)
    for style, name in _recipes(project).items():
        for path in sorted((project.captions / f"style={style}" / f"recipe={name}").glob("*")):
            if path.stem not in known:
                yield path, "captions of a shard that is gone"


def _products(project: Project) -> _Found:
    """Versions that are not the current one of their partition."""
    arms = {key: _wanted(project, checkpoint.STAGE, key) for key in project.arm_keys()}
    for stage, room, kept in (
        (captioner.STAGE, "captioners", _versions(project, captioner.STAGE)),
        (
            checkpoint.STAGE,
            "checkpoints",
            {key: arms[its.arm] for key, its in project.weights().items()},
        ),
        (samples.STAGE, "samples", _versions(project, samples.STAGE)),
        (metrics.STAGE, "metrics", _versions(project, metrics.STAGE)),
    ):
        for folder in sorted((project.root / room).glob("*/*")):
            key = folder.parent.name
            if key not in kept:
                yield folder, f"recap.yaml has no {stage.name} {key!r}"
            elif (version := kept[key]) is not None and folder.name != short(version):
                yield folder, f"an old version of {stage.name}[{key}]"


def _unfinished(project: Project) -> _Found:
    """What writers that were killed left; a writer at work is not that old."""
    for path in sorted(project.root.rglob(".tmp-*")):
        if time.time() - path.lstat().st_mtime > _AT_WORK:
            yield path, "left by a writer that was killed"


def _recipes(project: Project) -> dict[str, str]:
    """The folder name of the current recipe of each style, where it can be told."""
    found = {}
    for style in project.style_names():
        with suppress(NotReady, UserError):
            found[style] = recipes.recipe(project, style).short
    return found


def _complete(project: Project, style: str) -> bool:
    """Whether the current recipe of a style has all shards as they are now."""
    try:
        its = recipes.recipe(project, style)
        return all(recipes.is_current(project, its, shard) for shard in inputs.shards(project))
    except (NotReady, UserError):
        return False


def _versions(project: Project, stage: Stage) -> dict[str, str | None]:
    return {named(key): _wanted(project, stage, named(key)) for key in stage.keys(project)}


def _wanted(project: Project, stage: Stage, key: str) -> str | None:
    """The version of a partition that is made as it should be, else None."""
    try:
        version = stage.wanted(project, key)
        return version if stage.made(project, key, version) else None
    except (NotReady, UserError):
        return None


def _is_made(project: Project, stage: Stage, key: str) -> bool:
    return _wanted(project, stage, key) is not None


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
