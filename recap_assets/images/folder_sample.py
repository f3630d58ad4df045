"""One picture of a folder as a sample, read only where its name and its links stay inside."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from recap_assets.images.folder import Entry, sidecars
from recap_assets.images.headers import printable
from recap_assets.images.inside import refusal
from recap_assets.images.locations import unreadable
from recap_assets.images.sample import PICTURES, Member, Rejected, Sample


def sample(
    root: Path, name: str, record: Mapping[str, object] | None, beside: bool = True
) -> Sample:
    """The picture at `name` below `root` with its record and, if `beside`, the texts beside it.

    What must not or cannot be read is rejected with the reason.
    """
    found = Sample(printable(name), record=record, source=partial(_read, root))
    if found.key != name:
        found.rejected.append(Rejected(found.key, "name that is not UTF-8"))
        return found
    _add(root, found, name)
    if found.members and beside:
        for entry in sidecars(root, name):
            _add(root, found, entry.name)
    return found


def picture(root: Path, key: str, size: int) -> bytes:
    """The picture of an index row; "" where its path may not be read any more."""
    if refusal(root, key):
        return b""
    return _bytes(root / key, size + 1)


def _add(root: Path, found: Sample, name: str) -> None:
    reason = refusal(root, name)
    extension = Entry(name, 0, 0, False).extension
    if reason is None and not found.members and extension not in PICTURES:
        reason = f"no picture by its name ({', '.join(PICTURES)})"
    if reason:
        found.rejected.append(Rejected(name, reason))
        return
    found.members[extension] = Member(name, extension, 0, (root / name).stat().st_size)


def _read(root: Path, member: Member) -> bytes:
    return _bytes(root / member.name, member.size)


def _bytes(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise unreadable(path, error) from error
