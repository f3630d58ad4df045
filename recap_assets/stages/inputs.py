"""What the graph starts from: shards, prompts, held-out pictures, base models."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from recap_assets.evaluation import prompts as prompt_sets
from recap_assets.evaluation.lexicon import Lexicon
from recap_assets.evaluation.prompts import Prompt
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import file_sha256
from recap_assets.experiment.project import Project
from recap_assets.images import dataset
from recap_assets.images.shard import Shard
from recap_assets.scenes.world import is_current
from recap_assets.stages.memory import remembered


@remembered
def shards(project: Project) -> dict[str, Shard]:
    """The shards of the data set by key.

    Raises:
        UserError: if none is found; for a drawn world, with the command that draws it.
    """
    try:
        found = dataset.shards(project.config.dataset, project.locate)
    except UserError as error:
        if project.config.world is None or is_current(project.config.world, world_folder(project)):
            raise
        raise UserError(f"{error}; `recap sync` draws the world of this project") from error
    return {shard.key: shard for shard in found}


def world_folder(project: Project) -> Path:
    """Where a drawn world lies."""
    return project.root / "world"


@remembered
def prompts(project: Project) -> list[Prompt]:
    """The prompt set; empty where the project names none."""
    path = prompts_file(project)
    if path is None:
        return []
    if not path.exists() and project.config.world is not None:
        raise UserError(f"{path}: not drawn yet; `recap sync` draws the world of this project")
    return _prompts(path, file_sha256(path))


def prompts_file(project: Project) -> Path | None:
    """The file of the prompt set."""
    ref = project.config.evaluation.prompts
    return None if ref is None else Path(project.locate(ref))


@lru_cache(maxsize=4)
def _prompts(path: Path, sha256: str) -> list[Prompt]:
    return prompt_sets.read(path)


@remembered
def prompt_pictures(project: Project) -> dict[str, Path]:
    """The real picture of each prompt that has one, by prompt id."""
    file = prompts_file(project)
    if file is None:
        return {}
    return {p.id: file.parent / p.image for p in prompts(project) if p.image}


@remembered
def held_out(project: Project) -> set[str]:
    """sha256 of the pictures that evaluation uses; no arm is trained on them."""
    return {_sha256(path) for path in prompt_pictures(project).values()}


def _sha256(path: Path) -> str:
    status = path.stat()
    return _cached_sha256(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _cached_sha256(path: Path, size: int, mtime_ns: int) -> str:
    return file_sha256(path)


def lexicon(project: Project) -> Lexicon | None:
    """How captions name the labels, where the project says so."""
    ref = project.config.evaluation.lexicon
    return None if ref is None else Lexicon.load(project.locate(ref))


@remembered
def lexicon_digest(project: Project) -> str | None:
    """What identifies the lexicon."""
    ref = project.config.evaluation.lexicon
    return None if ref is None else file_sha256(project.locate(ref))


def is_simulated(project: Project) -> bool:
    """Whether pictures and human captions come from a program."""
    return project.config.world is not None
