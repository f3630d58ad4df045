"""Files and folders that appear whole or not at all.

Everything is written to a temporary name beside its place, flushed to disk and renamed, so a
crash, a full disk or a failing writer leaves the old content, or nothing, under the final name.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from recap_assets.experiment.errors import UserError

_REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_REASONS = tuple(os.strerror(number) for number in _REFUSALS)
# Windows says EACCES of a folder that is there.
_OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EACCES)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`.

    Raises:
        UserError: if the disk refuses; `path` is then as it was.
    """
    with file(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8 with the line ends it has. Raises as `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, obj: object) -> None:
    """Write `obj` to `path` as indented JSON with a final newline, keys in the order given.

    Raises:
        UserError: as `write_bytes`.
        ValueError: if `obj` holds NaN or an infinity.
    """
    write_text(path, json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_parquet(path: Path, frame: pl.DataFrame, metadata: dict[str, str] | None = None) -> None:
    """Write `frame` to `path` as zstd Parquet with `metadata` in the file's footer.

    Strings are stored as plain UTF-8 columns, which every Parquet reader knows. Raises as
    `write_bytes`.
    """
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    with file(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")


def read_parquet_metadata(path: Path) -> dict[str, str]:
    """The text metadata that `write_parquet` put in a file's footer; the rows are not read.

    Raises:
        UserError: if the file is missing or is no Parquet.
    """
    try:
        found = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(
            f"{path}: not a readable Parquet file ({_first_line(error)}); write it again"
        ) from error
    return {key.decode("utf-8"): value.decode("utf-8") for key, value in found.items()}


@contextmanager
def file(path: Path) -> Iterator[Path]:
    """Yield a temporary path, with the suffix of `path`, whose file becomes `path` after the block.

    Raises:
        UserError: if the disk refuses. Other exceptions of the block pass through. Either way
            `path` is as it was.
    """
    temporary = _temporary(path)
    with _storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _storage_errors(path, temporary):
            yield temporary
        with _storage_errors(path):
            _sync(temporary)
            os.replace(temporary, path)
            _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def directory(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder that becomes `path`, and replaces it, after the block.

    Raises:
        UserError: if the disk refuses. Other exceptions of the block pass through. Either way
            `path` is as it was.
    """
    temporary = _temporary(path)
    try:
        with _storage_errors(path):
            temporary.mkdir(parents=True)
        with _storage_errors(path, temporary):
            yield temporary
        with _storage_errors(path):
            for inner in temporary.rglob("*"):
                if inner.is_file():
                    _sync(inner)
            _rename_folder(temporary, path)
            _sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _rename_folder(temporary: Path, path: Path) -> None:
    """Rename a folder onto `path`; what is there steps aside, and comes back if that fails.

    Another writer may put its own folder there at any moment, so stepping aside is tried again
    until the rename goes through: the last writer wins.
    """
    aside: list[Path] = []
    try:
        while not _renamed(temporary, path):
            with suppress(FileNotFoundError):
                place = _temporary(path)
                os.replace(path, place)
                aside.append(place)
    except BaseException:
        if aside and not os.path.lexists(path):
            os.replace(aside.pop(), path)
        raise
    finally:
        for old in aside:
            _remove(old)


def _renamed(temporary: Path, path: Path) -> bool:
    """Rename unless something stands in the way, and say which."""
    try:
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in _OCCUPIED:
            return False
        raise
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def _temporary(path: Path) -> Path:
    return path.with_name(f".tmp-{uuid.uuid4().hex}{path.suffix}")


def _sync(path: Path) -> None:
    # Opened for writing because Windows flushes only handles that may write.
    with open(path, "r+b") as handle:
        os.fsync(handle.fileno())


def _sync_folder(path: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _storage_errors(path: Path, only_below: Path | None = None) -> Iterator[None]:
    """Turn the disk's refusals into one line about `path`.

    With `only_below`, an error about another file than those is not about storage and passes.
    """
    try:
        yield
    except OSError as error:
        if only_below and not _refused(error, only_below):
            raise
        reason = _told_reason(error) or error.strerror or _first_line(error)
        raise _cannot(path, reason) from error
    except Exception as error:
        # Writers in native code report a full disk through exception types of their own.
        told = _told_reason(error)
        if told is None:
            raise
        raise _cannot(path, told) from error


def _refused(error: OSError, below: Path) -> bool:
    named = str(error.filename or "")
    return error.errno in _REFUSALS or bool(_told_reason(error)) or named.startswith(str(below))


def _told_reason(error: Exception) -> str | None:
    """The disk's reason that an error's text tells, if it does."""
    return next((reason for reason in _REASONS if reason in str(error)), None)


def _cannot(path: Path, reason: str) -> UserError:
    return UserError(f"{path}: cannot be written ({reason}); make room or choose another root")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
