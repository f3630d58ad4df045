"""Finds stored rows by their row key in all files of a recipe, reading only the files that have it.

A picture that moved to another tar, came back, or was captioned by a run that was killed has its
caption somewhere in the store. The keys of every file are kept in memory, eight bytes each, and a
file is read again only when it changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from recap_assets.captions import schema

_Keys = npt.NDArray[np.uint64]


def find(folder: Path, keys: Sequence[str]) -> pl.DataFrame:
    """The rows (`schema.CAPTIONS`) in the files of `folder` with one of these row keys.

    A key that several files hold comes several times. Files that cannot be read hold nothing:
    what is in them is captioned again.
    """
    wanted = pl.Series("row_key", keys, pl.String)
    files = _index(folder).candidates(wanted) if len(keys) else []
    found = [rows for rows in map(rows_of, files) if rows is not None]
    return pl.concat([schema.empty(), *(rows.filter(_in(wanted)) for rows in found)])


class _Index:
    """Which files of a folder may hold a key; a file that changed since is only read in vain."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamps: dict[str, tuple[int, int]] = {}
        self._files: list[Path] = []
        self._keys: _Keys = np.empty(0, np.uint64)
        self._owners = np.empty(0, np.int32)

    def candidates(self, keys: pl.Series) -> list[Path]:
        """The files that may hold one of `keys`."""
        self._refresh()
        wanted = np.unique(_prefixes(keys))
        first, last = (np.searchsorted(self._keys, wanted, side) for side in ("left", "right"))
        spans = [range(a, b) for a, b in zip(first, last, strict=True) if a < b]
        owners = {int(self._owners[place]) for span in spans for place in span}
        return [self._files[owner] for owner in sorted(owners)]

    def _refresh(self) -> None:
        new = []
        for entry in _entries(self._folder):
            status = entry.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if self._stamps.get(entry.name) != stamp:
                self._stamps[entry.name] = stamp
                new.append(self._read(Path(entry.path)))
        if new:
            keys = np.concatenate([self._keys, *(keys for keys, _ in new)])
            owners = np.concatenate([self._owners, *(owners for _, owners in new)])
            # Long sorted runs: the stable sort only merges them.
            order = np.argsort(keys, kind="stable")
            self._keys, self._owners = keys[order], owners[order]

    def _read(self, path: Path) -> tuple[_Keys, npt.NDArray[np.int32]]:
        rows = rows_of(path, ["row_key"])
        keys = np.sort(_prefixes(rows["row_key"])) if rows is not None else np.empty(0, np.uint64)
        self._files.append(path)
        return keys, np.full(len(keys), len(self._files) - 1, np.int32)


@lru_cache(maxsize=64)
def _index(folder: Path) -> _Index:
    return _Index(folder)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The published files of a folder."""
    try:
        with os.scandir(folder) as entries:
            yield from (e for e in entries if e.name.endswith(".parquet") and e.name[0] != ".")
    except FileNotFoundError:
        return


def rows_of(path: Path, columns: list[str] | None = None) -> pl.DataFrame | None:
    """The rows of a caption file, or None where it is gone, damaged or something else."""
    try:
        rows = pl.read_parquet(path, columns=columns, hive_partitioning=False)
        return rows if columns else schema.conform(rows)
    except (pl.exceptions.PolarsError, OSError):
        return None


def _in(keys: pl.Series) -> pl.Expr:
    return pl.col("row_key").is_in(keys.implode())


def _prefixes(keys: pl.Series) -> _Keys:
    """The first 64 bits of each key; what only shares them is told apart when the rows are read."""
    return keys.str.slice(0, 16).str.to_integer(base=16, dtype=pl.UInt64).to_numpy()
