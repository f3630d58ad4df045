"""The headers of a plain tar, read to its end mark or not at all.

Whatever stops the reading early is an error, so that a damaged tar never looks like a shorter one.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from contextlib import nullcontext
from typing import BinaryIO

from recap_assets.experiment.errors import UserError
from recap_assets.images.locations import File, line, open_file, read_range, unreadable

_PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
_CHUNK = 1 << 20
_LONGEST_EXTENSION = 1 << 20
_EXTENSIONS = {
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
}


class _Header(tarfile.TarInfo):
    """A header whose extension is read into memory only if it is of a sane size."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _EXTENSIONS and self.size > _LONGEST_EXTENSION:
            raise tarfile.HeaderError(f"a header extension of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]


def headers(path: File, opened: BinaryIO | None = None) -> Iterator[tarfile.TarInfo]:
    """The header of every member, in order; see `printable` for its name.

    `opened` is the file where the caller has it open; its position may be moved between headers.

    Raises:
        UserError: if the file is no plain tar, or is cut or damaged where reading gets to.
    """
    with nullcontext(opened) if opened else open_file(path) as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        _refuse_packed(path, file)
        tar = _open(path, file)
        last, position = "the start", -1
        while (header := _next(path, tar, last)) is not None:
            # tarfile remembers every member it has seen.
            tar.members = []  # type: ignore[attr-defined]
            last = f"member {printable(header.name)!r}"
            _check_extent(path, header, last, length)
            if tar.offset <= position:
                raise _damaged(path, position, last, "its size is negative")
            position = tar.offset
            yield header
        _check_end(path, file, tar.offset, last)


def printable(name: str) -> str:
    """The name as valid Unicode: bytes that are not UTF-8 show as \\xNN."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _refuse_packed(path: File, file: BinaryIO) -> None:
    start = file.read(8)
    file.seek(0)
    for magic, name in _PACKED.items():
        if start.startswith(magic):
            raise UserError(
                f"{path}: is compressed ({name}), and pictures are read by byte range from a plain "
                f"tar; unpack it to a .tar"
            )


def _open(path: File, file: BinaryIO) -> tarfile.TarFile:
    try:
        return tarfile.open(
            fileobj=file, mode="r:", tarinfo=_Header, encoding="utf-8", errors="surrogateescape"
        )
    except Exception as error:
        raise UserError(
            f"{path}: not a tar ({error}, at byte 0); check the file or download it again"
        ) from error


def _next(path: File, tar: tarfile.TarFile, last: str) -> tarfile.TarInfo | None:
    try:
        return tar.next()
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:
        # Besides its own errors, tarfile passes on what a hostile header makes int() raise.
        raise _damaged(path, tar.offset, last, line(error)) from error


def _check_extent(path: File, header: tarfile.TarInfo, last: str, length: int) -> None:
    """tarfile takes a member's size on trust; its bytes must lie inside the file."""
    if not header.isreg() or header.issparse():
        return
    if header.size < 0:
        raise _damaged(path, header.offset, last, "its size is negative")
    if header.offset_data + header.size > length:
        missing = header.offset_data + header.size - length
        raise _damaged(path, length, last, f"the file ends {missing} bytes too early")


def _check_end(path: File, file: BinaryIO, offset: int, last: str) -> None:
    """tarfile ends in silence at any block that is no header; only zeros are an end."""
    block = read_range(path, file, offset, tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE:
        raise _damaged(path, offset + len(block), last, "the file ends without a tar's end mark")
    if any(block):
        raise _damaged(path, offset, last, "no member begins here")
    position = offset + len(block)
    while chunk := read_range(path, file, position, _CHUNK):
        if any(chunk):
            raise _damaged(
                path, position, last, "data follows the tar's end mark, as in tars joined by cat"
            )
        position += len(chunk)


def _damaged(path: File, position: int, last: str, reason: str) -> UserError:
    return UserError(
        f"{path}: unreadable from byte {position}, at {last} ({reason}); "
        f"copy, download or write the tar again"
    )
