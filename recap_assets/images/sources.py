"""Which tars a project reads: patterns become a sorted list of shards with keys and paths."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from braceexpand import braceexpand

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.keys import check_key

# Two letters at least, for C:/ is a path.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


@dataclass(frozen=True)
class ShardSource:
    """One tar: `key` names its partition, `path` is where it lies."""

    key: str
    path: Path


def expand(urls: str | list[str], locate: Callable[[str], str]) -> list[ShardSource]:
    """The shards that `urls` name, sorted by key; a key is the file name without its suffix.

    Each url may hold brace ranges (`{00000..00099}.tar`), then globs (`*.tar`, `**/*.tar`).
    `locate` turns a relative path into one that can be opened.

    Raises:
        UserError: if nothing matches, a file is missing or is a folder, a url is remote or
            malformed, a file name cannot be a key, or two files share a key.
    """
    patterns = [urls] if isinstance(urls, str) else list(urls)
    if not patterns:
        raise UserError(
            "dataset urls: the list is empty; name at least one tar, for example shards/*.tar"
        )
    shards: dict[str, ShardSource] = {}
    for path in _paths(patterns, locate):
        shard = ShardSource(check_key("shard", path.stem), path)
        if shard.key in shards:
            raise UserError(
                f"shard {shard.key!r}: named twice, by {shards[shard.key].path} and {path}; "
                f"rename one tar or narrow the urls"
            )
        shards[shard.key] = shard
    return [shards[key] for key in sorted(shards)]


def open_shard(path: Path) -> BinaryIO:
    """Open a tar for seeking and reading; every read of a shard passes here.

    Raises:
        UserError: if it cannot be opened.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); check that the tar exists and is yours"
        ) from error


def _paths(patterns: Iterable[str], locate: Callable[[str], str]) -> Iterator[Path]:
    for pattern in patterns:
        for url in _braces(pattern):
            yield from _matches(url, _local(locate(url)))


def _braces(pattern: str) -> Iterator[str]:
    try:
        # A backslash separates folders on Windows, so it can quote braces only elsewhere.
        yield from braceexpand(pattern, escape=os.sep != "\\")
    except ValueError as error:
        raise UserError(
            f"{pattern}: unbalanced braces; write ranges as {{00000..00099}}.tar"
        ) from error


def _local(located: str) -> str:
    """The path in `located`, which may be written file://."""
    if located.startswith("file://"):
        return located.removeprefix("file://")
    remote = _SCHEME.match(located)
    if remote:
        raise UserError(
            f"{located}: {remote[1]}: is no local path, and shards are read locally; "
            f"copy or mount the tars and name that folder"
        )
    return located


def _matches(url: str, located: str) -> list[Path]:
    path = Path(located)
    if glob.has_magic(url) and not path.exists():
        found = sorted(Path(match) for match in glob.glob(_pattern(url, located), recursive=True))
        found = [match for match in found if match.is_file()]
        if not found:
            raise UserError(
                f"{located}: no file matches; check the pattern and the folder it starts from"
            )
        return found
    if path.is_dir():
        raise UserError(
            f"{located}: is a folder; name the tars in it, for example {url.rstrip('/')}/*.tar"
        )
    if not path.is_file():
        raise UserError(f"{located}: no such file; check the name or narrow the brace range")
    return [path]


def _pattern(url: str, located: str) -> str:
    """`located` as a glob; what `locate` put in front is a real name and may hold glob signs."""
    ends = zip(reversed(url), reversed(located), strict=False)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], ends))
    if glob.has_magic(url[: len(url) - shared]):
        return located
    return glob.escape(located[: len(located) - shared]) + located[len(located) - shared :]
