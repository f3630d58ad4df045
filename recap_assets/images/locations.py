"""Files on this machine and, by URL, on any file system that fsspec knows: one way to open both."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from upath import UPath

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest

#: A file here or elsewhere.
File = Path | UPath
# Reading goes forth and, by a member, back: pieces of 1 MiB, 32 of them kept.
_PIECE = 1 << 20
# What file systems call the thing that changes when a file does.
_MARKS = {
    "blob_id", "created", "crc32c", "etag", "generation", "last_modified", "lastmodified",
    "md5hash", "mtime", "content_md5", "sha", "updated",
}  # fmt: skip


class Stamp(NamedTuple):
    """What tells, without reading it, that a shard is as it was: bytes, and a mark of its state."""

    size: int
    mark: str


def remote(url: str) -> UPath:
    """The file or pattern that a URL such as s3://bucket/0.tar names.

    Raises:
        UserError: if no file system of that name is known, or its driver is not installed.
    """
    scheme = url.split("://", maxsplit=1)[0]
    try:
        path = UPath(url)
        path.fs  # noqa: B018  connects, and so finds out
    except ImportError as error:
        raise UserError(
            f"{url}: {scheme}: needs a driver that is not installed ({error}); "
            f"add it with `pip install {_driver(scheme)}`"
        ) from error
    except Exception as error:
        raise UserError(
            f"{url}: cannot be reached ({line(error)}); correct the address, or copy the files "
            f"and name that folder"
        ) from error
    return path


def open_file(path: File) -> BinaryIO:
    """Open a file for seeking and reading; every read of a data set passes here.

    A remote file is read by range, never copied.

    Raises:
        UserError: if it cannot be opened.
    """
    try:
        if isinstance(path, Path):
            return path.open("rb")
        opened: Any = path.fs.open(path.path, "rb", block_size=_PIECE, cache_type="blockcache")
        return cast(BinaryIO, opened)
    except Exception as error:
        raise unreadable(path, error) from error


def read_range(path: File, file: BinaryIO, offset: int, size: int) -> bytes:
    """`size` bytes from `offset`, fewer only where the file ends.

    Raises:
        UserError: if the disk or the network refuses.
    """
    try:
        file.seek(offset)
        return file.read(size)
    except ValueError:
        raise
    except Exception as error:
        raise unreadable(path, error) from error


def stamp_of(path: File) -> Stamp:
    """The present size of a file, and its time, or what else its file system tells it by.

    Raises:
        UserError: if it is missing.
    """
    try:
        if isinstance(path, Path):
            status = path.stat()
            return Stamp(status.st_size, str(status.st_mtime_ns))
        told = path.fs.info(path.path)
    except Exception as error:
        raise unreadable(path, error) from error
    marks = {name.lower(): str(value) for name, value in told.items() if value is not None}
    known = {name: value for name, value in marks.items() if name.replace("-", "_") in _MARKS}
    return Stamp(int(told.get("size") or 0), digest(known)[:32])


def unreadable(path: File, error: Exception) -> UserError:
    """The one line about a file that cannot be read."""
    reason = getattr(error, "strerror", None) or line(error)
    return UserError(f"{path}: cannot be read ({reason}); check that it exists and is yours")


def line(error: Exception) -> str:
    """The first line of what an error says, or its name."""
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__


def _driver(scheme: str) -> str:
    names = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs"}
    names |= {"abfs": "adlfs", "abfss": "adlfs", "adl": "adlfs", "hf": "huggingface_hub"}
    names |= {"http": "'fsspec[http]'", "https": "'fsspec[http]'", "sftp": "paramiko"}
    return names.get(scheme, f"'fsspec[{scheme}]'")
