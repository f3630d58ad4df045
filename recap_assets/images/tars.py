"""The samples of a webdataset tar from its headers alone: which members belong together, and where.

Links and special members are never followed, and nothing is ever unpacked.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from recap_assets.experiment.errors import UserError
from recap_assets.images.headers import headers, printable
from recap_assets.images.locations import File, open_file, read_range
from recap_assets.images.sample import Member, Rejected, Sample

# The two patterns of webdataset's tariterators: how a name splits, and which names are not samples.
_NAME = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$")
_META = re.compile(r"__[^/]*__($|/)")

_NESTED = re.compile(r"(^|\.)(tar|tgz|zip|7z|rar|tar\.\w+)$")
_SPECIAL = {
    tarfile.SYMTYPE: "symbolic link",
    tarfile.LNKTYPE: "hard link",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.FIFOTYPE: "pipe",
}


def samples(path: File) -> Iterator[Sample]:
    """The samples of a tar in its order, as webdataset groups them, one in memory at a time.

    A name splits at the first dot after its folder. Folders, names without a dot or that start
    with one, and webdataset's own `__meta__` names belong to no sample. Where webdataset refuses a
    sample that repeats an extension, a new sample of the same key begins here.

    Raises:
        UserError: if the file is no plain tar, or is cut or damaged where reading gets to.
    """
    with open_file(path) as file:
        current: Sample | None = None
        for header in headers(path, file):
            named = _key_of(header)
            if named is None:
                continue
            key, extension = named
            if current is None or key != current.key or extension in current.members:
                if current is not None:
                    yield current
                current = Sample(key, source=partial(_read, path, file))
            _add(current, header, extension)
        if current is not None:
            yield current


def split_name(name: str) -> tuple[str, str] | None:
    """(key, lower-case extension) of a member's name, or None if it belongs to no sample."""
    found = None if _META.match(name) else _NAME.match(name)
    return (found[1], found[2].lower()) if found else None


def unsafe_name(name: str) -> str | None:
    """Why this name must not be used, or None: on some system it leads out of its folder."""
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[\\/]", name):
        return "absolute name"
    if ".." in re.split(r"[\\/]", name):
        return "name with '..'"
    return None


def _read(path: File, file: BinaryIO, member: Member) -> bytes:
    data = read_range(path, file, member.offset, member.size)
    if len(data) != member.size:
        raise UserError(
            f"{path}: ends inside {member.name!r}; wait until it is complete and run again"
        )
    return data


def _key_of(header: tarfile.TarInfo) -> tuple[str, str] | None:
    """As `split_name`, but a member to reject always has a key, lest it be passed over."""
    if header.isdir():
        return None
    name = printable(header.name)
    return split_name(name) or ((name, "") if _refusal(header, "") else None)


def _add(sample: Sample, header: tarfile.TarInfo, extension: str) -> None:
    name = printable(header.name)
    reason = _refusal(header, extension)
    if reason:
        sample.rejected.append(Rejected(name, reason))
    else:
        sample.members[extension] = Member(name, extension, header.offset_data, header.size)


def _refusal(header: tarfile.TarInfo, extension: str) -> str | None:
    if header.issparse():
        return "sparse member"
    if not header.isreg():
        return _SPECIAL.get(header.type, "special member")
    if _NESTED.search(extension):
        return "archive inside the tar"
    return unsafe_name(header.name)
