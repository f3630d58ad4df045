"""The folder that an export is written to: new or empty, and whole or not there at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recap_assets.captions.export.about import About
from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError

#: Says what an export is; by it `--force` knows a folder that it may replace.
MARKER = "recap-export.json"


def check(folder: Path, force: bool) -> None:
    """Refuse a target that holds anything.

    Raises:
        UserError: if `folder` is a file, or is not empty; with `force` only if what it holds is no
            earlier export.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file; name a folder that is new or empty")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not force:
        raise UserError(
            f"{folder}: is not empty; name a new folder, or --force replaces an earlier export"
        )
    if not (folder / MARKER).is_file():
        raise UserError(
            f"{folder}: holds no {MARKER}, so it is no export and --force does not delete it; "
            "name another folder"
        )


@contextmanager
def target(folder: Path, force: bool, about: About) -> Iterator[Path]:
    """Yield a temporary folder beside `folder` that takes its place after the block.

    Raises:
        UserError: as `check`, or if the disk refuses. Whatever the block raises, `folder` is as it
            was.
    """
    check(folder, force)
    # A link stays one: what it leads to is replaced.
    place = folder.resolve()
    with atomic.directory(place) as temporary:
        yield temporary
        atomic.write_json(temporary / MARKER, about.record())
        check(place, force)
