"""The patterns of a command line as the urls of a recap.yaml that name the same files."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from recap_assets.experiment.errors import UserError
from recap_assets.images.shard import Shard
from recap_assets.images.sources import expand


def locate(url: str) -> str:
    """Where a pattern of the command line points: relative to the current folder, or a URL."""
    return _located(url, Path.cwd())


def urls(patterns: Sequence[str], shards: Sequence[Shard], folder: Path) -> list[str]:
    """What to write into a recap.yaml in `folder` so that it reads `shards`, one file each.

    Several files that are all the tars of one folder become a glob, so that later ones belong to
    the data set; other patterns stay, relative to `folder` where they lie below it, else absolute.
    """
    home = folder.absolute()
    each = files(shards, folder)
    forms = [[moved(pattern, home) for pattern in patterns], each]
    parents = {file.rpartition("/")[0] for file in each}
    if len(patterns) > 1 and len(parents) == 1 and not any(map(_is_pattern, patterns)):
        forms.insert(0, [_joined(parents.pop(), f"*{shards[0].path.suffix}")])
    return next((form for form in forms if _names(form, shards, home)), each)


def files(shards: Sequence[Shard], folder: Path) -> list[str]:
    """The path of each shard as `urls` would write it."""
    return [moved(str(shard.path), folder.absolute()) for shard in shards]


def moved(url: str, folder: Path) -> str:
    """`url`, given relative to the current folder, relative to `folder` or absolute."""
    plain = url.removeprefix("file://")
    if "://" in plain:
        return url
    path = os.path.normpath(_located(plain, Path.cwd()))
    below = Path(path).is_relative_to(folder)
    return (Path(path).relative_to(folder) if below else Path(path)).as_posix()


def _located(url: str, folder: Path) -> str:
    return url if "://" in url else str(folder / Path(url).expanduser())


def _joined(parent: str, name: str) -> str:
    return f"{parent}/{name}" if parent else name


def _is_pattern(url: str) -> bool:
    return "{" in url or (glob.has_magic(url) and not Path(url).exists())


def _names(form: list[str], shards: Sequence[Shard], folder: Path) -> bool:
    """Whether `form`, read from a file in `folder`, names just these shards."""
    try:
        found = expand(form, lambda url: _located(url, folder))
    except UserError:
        return False
    return [_plain(one.path) for one in found] == [_plain(shard.path) for shard in shards]


def _plain(path: object) -> str:
    text = str(path)
    return text if "://" in text else os.path.normpath(text)
