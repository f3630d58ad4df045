"""Which files a project reads: patterns become a sorted list of shards with keys and paths."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from braceexpand import braceexpand

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.keys import check_key
from recap_assets.images.locations import File, remote

# Two letters at least, for C:/ is a path.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


class ShardSource(NamedTuple):
    """One file of a data set: `key` names its partition, `path` is where it lies."""

    key: str
    path: File


def expand(urls: str | list[str], locate: Callable[[str], str]) -> list[ShardSource]:
    """The shards that `urls` name, sorted by key; a key is the file name without its suffix.

    Each url may hold brace ranges (`{00000..00099}.tar`), then globs (`*.tar`, `**/*.tar`).
    `locate` turns a relative path into one that can be opened. A URL with a scheme is looked up on
    the file system it names; whether a remote file named in full is there shows when it is read.

    Raises:
        UserError: if nothing matches, a file is missing or is a folder, a url is malformed or needs
            a driver that is not installed, a file name cannot be a key, or two share a key.
    """
    patterns = [urls] if isinstance(urls, str) else list(urls)
    if not patterns:
        raise UserError(
            "dataset urls: the list is empty; name at least one file, for example shards/*.tar"
        )
    shards: dict[str, ShardSource] = {}
    for path in paths(patterns, locate):
        shard = ShardSource(check_key("shard", path.stem), path)
        if shard.key in shards:
            raise UserError(
                f"shard {shard.key!r}: named twice, by {shards[shard.key].path} and {path}; "
                f"rename one or narrow the urls"
            )
        shards[shard.key] = shard
    return [shards[key] for key in sorted(shards)]


def paths(urls: Iterable[str], locate: Callable[[str], str]) -> Iterator[File]:
    """The files that `urls` name, in their order. Raises as `expand`."""
    for pattern in urls:
        for url in braces(pattern):
            yield from _matches(url, locate(url))


def braces(pattern: str) -> Iterator[str]:
    """The urls of a brace range. Raises UserError if its braces are unbalanced."""
    try:
        # A backslash separates folders on Windows, so it can quote braces only elsewhere.
        yield from braceexpand(pattern, escape=os.sep != "\\")
    except ValueError as error:
        raise UserError(
            f"{pattern}: unbalanced braces; write ranges as {{00000..00099}}.tar"
        ) from error


def _matches(url: str, located: str) -> list[File]:
    if _SCHEME.match(located) and not located.startswith("file://"):
        return _remote_matches(located)
    return list(_local_matches(url, located.removeprefix("file://")))


def _remote_matches(located: str) -> list[File]:
    path = remote(located)
    if not glob.has_magic(path.path):
        return [path]
    try:
        path.fs.invalidate_cache()
        found = sorted(match for match in path.fs.glob(path.path) if path.fs.isfile(match))
    except Exception as error:
        raise UserError(
            f"{located}: cannot be listed ({error}); check the address and your credentials"
        ) from error
    if not found:
        raise UserError(f"{located}: no file matches; check the pattern")
    return [remote(path.fs.unstrip_protocol(match)) for match in found]


def _local_matches(url: str, located: str) -> list[Path]:
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
            f"{located}: is a folder; name the tars in it, for example {url.rstrip('/')}/*.tar, or "
            f"say source: imagefolder"
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
