"""The patterns of a command line as the urls of a recap.yaml that name the same tars."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from recap_assets.experiment.errors import UserError
from recap_assets.images.sources import ShardSource, expand


def find(patterns: Sequence[str]) -> list[ShardSource]:
    """The shards that patterns relative to the current folder name. Raises as `sources.expand`."""
    return expand(list(patterns), lambda url: _located(url, Path.cwd()))


def urls(patterns: Sequence[str], sources: Sequence[ShardSource], folder: Path) -> list[str]:
    """What to write into a recap.yaml in `folder` so that it reads `sources`.

    Several files that are all the tars of one folder become a glob, so that later ones belong to
    the data set; other patterns stay, relative to `folder` where they lie below it, else absolute.
    """
    home = folder.absolute()
    each = files(sources, folder)
    forms = [[_moved(pattern, home) for pattern in patterns], each]
    parents = {Path(file).parent.as_posix() for file in each}
    if len(patterns) > 1 and len(parents) == 1 and not any(map(_is_pattern, patterns)):
        forms.insert(0, [_joined(parents.pop(), "*.tar")])
    return next((form for form in forms if _names(form, sources, home)), each)


def files(sources: Sequence[ShardSource], folder: Path) -> list[str]:
    """The path of each tar as `urls` would write it."""
    return [_moved(str(source.path), folder.absolute()) for source in sources]


def _located(url: str, folder: Path) -> str:
    return url if "://" in url else str(folder / Path(url).expanduser())


def _moved(url: str, folder: Path) -> str:
    """`url`, given relative to the current folder, relative to `folder` or absolute."""
    path = os.path.normpath(_located(url.removeprefix("file://"), Path.cwd()))
    below = Path(path).is_relative_to(folder)
    return (Path(path).relative_to(folder) if below else Path(path)).as_posix()


def _joined(parent: str, name: str) -> str:
    return name if parent == "." else f"{parent}/{name}"


def _is_pattern(url: str) -> bool:
    return "{" in url or (glob.has_magic(url) and not Path(url).exists())


def _names(form: list[str], sources: Sequence[ShardSource], folder: Path) -> bool:
    """Whether `form`, read from a file in `folder`, names just these shards."""
    try:
        found = expand(form, lambda url: _located(url, folder))
    except UserError:
        return False
    return _paths(found) == _paths(sources)


def _paths(sources: Sequence[ShardSource]) -> list[str]:
    return [os.path.normpath(source.path) for source in sources]
