"""Format `parquet`: a Hugging Face data set of Parquet files with the pictures inside, and a card.

The schema names the features as `datasets` does, so that it shows the pictures as pictures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from recap_assets.captions.export.columns import strings, texts
from recap_assets.captions.export.names import safe_key
from recap_assets.captions.export.selection import EXPORTED
from recap_assets.captions.export.shard import Pictures, Row, Shard
from recap_assets.experiment.keys import ALT as ALT_STYLE
from recap_assets.images.parquet_shard import GENERATED

_COLUMNS = ("uid", "key", "url")
#: Pictures and bytes of them in one row group, and bytes in one file.
GROUP_ROWS, GROUP_BYTES, FILE_BYTES = 100, 32 << 20, 500 << 20
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write(
    folder: Path,
    shards: Iterable[Shard],
    pictures: Pictures,
    styles: list[str],
    *,
    chosen: bool,
) -> list[str]:
    """Write `data/train-00000-of-000NN.parquet` and return the columns; see `card` for README.md.

    Columns are image (bytes as they are, and a file name), uid, key, url, with `chosen` caption,
    and one per style.
    """
    names = [*_COLUMNS, *(["caption"] if chosen else []), *styles]
    schema = _schema(names, {style for style in styles if style != ALT_STYLE})
    (folder / "data").mkdir()
    groups = _groups(shards, pictures, names)
    written = [_file(folder / "data", 0, schema, groups)]
    while written[-1] is not None:
        written.append(_file(folder / "data", len(written), schema, groups))
    files = [path for path in written if path is not None]
    for path in files:
        path.rename(path.with_name(f"{path.stem}-of-{len(files):05d}.parquet"))
    return schema.names


def _file(folder: Path, number: int, schema: pa.Schema, groups: Iterator[pa.Table]) -> Path | None:
    """Write row groups until the file has `FILE_BYTES`; None where none was left."""
    first = next(groups, None)
    if first is None:
        return None
    path = folder / f"train-{number:05d}.parquet"
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False) as writer:
        size = 0
        table: pa.Table | None = first
        while table is not None:
            writer.write_table(table.cast(schema))
            size += table.nbytes
            table = next(groups, None) if size < FILE_BYTES else None
    return path


def _groups(shards: Iterable[Shard], pictures: Pictures, names: list[str]) -> Iterator[pa.Table]:
    for shard in shards:
        exported = shard.where(pl.col("outcome") == EXPORTED)
        with pictures(shard.key) as read:
            for part in exported.slices(GROUP_ROWS):
                start = 0
                rows = part.rows.iter_rows(named=True)
                for found in _batches((row, read(row)) for row in rows):
                    yield _table(part, start, found, names)
                    start += len(found)


def _batches(rows: Iterable[tuple[Row, bytes]]) -> Iterator[list[dict[str, Any]]]:
    """Images as `datasets` stores them, in lists of at most `GROUP_BYTES` and one more picture."""
    found: list[dict[str, Any]] = []
    size = 0
    for row, data in rows:
        path = f"{safe_key(row['key'], dots=True)}.{row['ext']}"
        found.append({"bytes": data, "path": path})
        size += len(data)
        if size >= GROUP_BYTES:
            yield found
            found, size = [], 0
    if found:
        yield found


def _table(part: Shard, start: int, images: list[dict[str, Any]], names: list[str]) -> pa.Table:
    told = pl.concat([part.rows.drop(part.captions, strict=False), texts(part)], how="horizontal")
    text = strings(told.slice(start, len(images)).select(names))
    return text.add_column(0, "image", pa.array(images, _IMAGE))


def _schema(names: list[str], generated: set[str]) -> pa.Schema:
    features = {"image": {"_type": "Image"}} | {
        name: {"dtype": "string", "_type": "Value"} for name in names
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    texts = [
        pa.field(name, pa.string(), metadata=GENERATED if name in generated else None)
        for name in names
    ]
    return pa.schema([pa.field("image", _IMAGE), *texts], metadata)
