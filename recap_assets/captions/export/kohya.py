"""Format `kohya`: pictures in folders, each with its caption in a text file beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from recap_assets.captions.export.names import Names, safe_key
from recap_assets.captions.export.selection import EXPORTED
from recap_assets.captions.export.shard import Pictures, Shard
from recap_assets.experiment.errors import UserError
from recap_assets.images.sample import PICTURES

_SLICE = 256
_EXTENSION = re.compile(r"\.?([A-Za-z0-9]{1,16})")


def extension(text: str) -> str:
    """The extension of the text files with its dot.

    Raises:
        UserError: if it is no plain extension, or one of a picture.
    """
    found = _EXTENSION.fullmatch(text)
    if found is None or found[1].lower() in PICTURES:
        raise UserError(f"--extension {text!r}: cannot name a text file; use .txt or .caption")
    return f".{found[1]}"


def write(folder: Path, shards: Iterable[Shard], pictures: Pictures, suffix: str) -> None:
    """Write every picture under its key, and its caption under the same name with `suffix`.

    A key's folders become folders. Of equal keys, those after the first get digits of their uid.
    """
    names = Names(folded=True)
    for shard in shards:
        exported = shard.where(pl.col("outcome") == EXPORTED)
        with pictures(shard.key) as read:
            for part in exported.slices(_SLICE):
                for row in part.rows.iter_rows(named=True):
                    name = names.take(safe_key(row["key"], dots=True), row["uid"])
                    _pair(folder / f"{name}.{row['ext']}", read(row), row["caption"], suffix)


def _pair(path: Path, picture: bytes, caption: str, suffix: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture)
    # Trainers refuse a text file without any line.
    path.with_suffix(suffix).write_bytes(f"{one_line(caption)}\n".encode())


def one_line(caption: str) -> str:
    """`caption` with spaces for line ends: a second line would be read as another caption."""
    return " ".join(line.strip() for line in caption.splitlines() if line.strip())
