"""Digests that decide identity, of settings, files and model folders, and seeds from names."""

from __future__ import annotations

import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel

from recap_assets.experiment.errors import UserError

_SHORT = 12


def digest(obj: object) -> str:
    """64 hex digits of SHA-256 over the canonical JSON of `obj` (keys sorted, no spaces, ASCII).

    `obj` may be or contain pydantic models. Tuples count as lists; 1 and 1.0 differ; the order of a
    mapping does not matter.

    Raises:
        TypeError: if something in `obj` has no JSON form.
        ValueError: if it holds NaN or an infinity, which JSON cannot say.
    """
    canonical = json.dumps(
        obj, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain
    )
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def short(digest: str) -> str:
    """The first 12 hex digits: what folder names carry."""
    return digest[:_SHORT]


def seed(*parts: object) -> int:
    """A seed in [0, 2**63) from SHA-256 of the parts' text, the same on every machine."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big") >> 1


def file_sha256(path: Path | str) -> str:
    """64 hex digits of SHA-256 of a file's bytes.

    Raises:
        UserError: if the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); check that it exists and is yours"
        ) from error


def folder_digest(path: Path | str) -> str:
    """64 hex digits over the names and contents of a folder's files, following links.

    Names starting with "." and Markdown files (README.md, model cards) are left out: they describe
    the content and do not decide it. A file is read again only when its size or times changed.

    Raises:
        UserError: if `path` is not a folder or a file in it cannot be read.
    """
    root = Path(path)
    if not root.is_dir():
        raise UserError(f"{path}: not a folder; name the folder that holds the files")
    total = hashlib.sha256()
    for name, file in sorted(_content_files(root)):
        status = file.stat()
        content = _cached_sha256(
            str(file.absolute()), status.st_size, status.st_mtime_ns, status.st_ctime_ns
        )
        total.update(f"{name}\0{content}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def model_digest(model: Path | str, revision: str | None = None) -> str:
    """What identifies a model: the content of its folder, or its hub id and revision."""
    return folder_digest(model) if Path(model).is_dir() else digest([str(model), revision])


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no canonical JSON form")


def _content_files(root: Path) -> list[tuple[str, Path]]:
    """(relative name with forward slashes, file) of every file that counts."""
    found = []
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and not name.lower().endswith(".md"):
                file = Path(folder, name)
                found.append((file.relative_to(root).as_posix(), file))
    return found


@lru_cache(maxsize=65_536)
def _cached_sha256(path: str, size: int, mtime_ns: int, ctime_ns: int) -> str:
    return file_sha256(path)
