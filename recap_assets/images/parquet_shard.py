"""A Parquet file with pictures in it, as data sets on the Hugging Face hub have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import file_sha256
from recap_assets.images.locations import File, Stamp, stamp_of
from recap_assets.images.parquet import RowReader, batches, opened
from recap_assets.images.sample import PICTURES, Member, Rejected, Sample
from recap_assets.images.shard import Bytes

_USUAL = ("image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp", "image_bytes", "bytes")
_ROWS = 8
#: Metadata of a column whose texts a model wrote: they must never pass for people's.
GENERATED = {b"recap_assets": b"generated"}


@dataclass(frozen=True)
class ParquetShard:
    """One file: `image` names the column with the pictures, by default it is found.

    The column is binary, or a struct of `bytes` and `path`; a path alone is not followed.
    """

    key: str
    path: File
    image: str | None = None

    table = None
    example = "a Parquet file of pictures has a binary column, or a struct of bytes and path"

    def samples(self) -> Iterator[Sample]:
        """As `Shard.samples`: a row a sample, its other columns the record."""
        with opened(self.path) as file:
            schema = file.schema_arrow
            image = self._column(schema)
            number = 0
            for batch in batches(self.path, file, schema.names, _ROWS):
                pictures = batch.column(image)
                for picture, record in zip(pictures, _records(batch, image), strict=True):
                    yield _sample(number, picture, record)
                    number += 1

    @contextmanager
    def open(self) -> Iterator[Bytes]:
        """As `Shard.open`: only the pages up to the row, in its row group, are read."""
        with opened(self.path) as file:
            rows = RowReader(self.path, file, self._column(file.schema_arrow))
            yield lambda key, offset, size: _bytes(rows.value(offset)) or b""

    def generated(self) -> frozenset[str]:
        """The columns that say of themselves that a model wrote them. Raises as `samples`."""
        with opened(self.path) as file:
            fields = list(file.schema_arrow)
        told = GENERATED.items()
        return frozenset(field.name for field in fields if told <= (field.metadata or {}).items())

    def stamp(self) -> Stamp:
        """The file's size and time."""
        return stamp_of(self.path)

    def again(self) -> ParquetShard:
        """Itself: nothing is remembered of a file."""
        return self

    def sha256(self) -> str | None:
        """None for a remote file."""
        return file_sha256(str(self.path)) if isinstance(self.path, Path) else None

    def _column(self, schema: pa.Schema) -> str:
        found = self.image or picture_column(schema)
        if found is None or found not in schema.names or not _holds_pictures(schema.field(found)):
            raise UserError(
                f"{self.path}: holds no picture ({'no' if found is None else repr(found)} column "
                f"of bytes among {', '.join(schema.names[:8])}); {self.example}; "
                f"name yours in dataset.image"
            )
        return found


def picture_column(schema: pa.Schema) -> str | None:
    """The column that holds pictures: of those with a type for it one of a usual name, or the only
    one."""
    able = [field.name for field in schema if _holds_pictures(field)]
    named = [name for usual in _USUAL for name in able if name.lower() == usual]
    return next(iter(named), able[0] if len(able) == 1 else None)


def _holds_pictures(field: pa.Field) -> bool:
    kind = field.type
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _is_binary(kind.field("bytes").type)
    return bool(_is_binary(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _records(batch: pa.RecordBatch, image: str) -> list[dict[str, object]]:
    """The other columns, without bytes, which are no text."""
    names = [field.name for field in batch.schema if not _holds_pictures(field)]
    found: list[dict[str, object]] = batch.select([n for n in names if n != image]).to_pylist()
    return found or [{} for _ in range(batch.num_rows)]


def _sample(number: int, picture: pa.Scalar, record: Mapping[str, object]) -> Sample:
    data = _bytes(picture)
    key = f"{number:08d}"
    if data is None:
        why = "the row has no picture bytes"
        path = _path(picture)
        if path:
            why = f"the row has only a path, {path[:200]!r}, which is not followed"
        return Sample(key, rejected=[Rejected("picture", why)], record=record)
    extension = _extension(picture)
    member = Member(key, extension, number, len(data))
    return Sample(key, {extension: member}, record=record, source=lambda _: data)


def _bytes(picture: pa.Scalar) -> bytes | None:
    value = (
        picture["bytes"] if picture.is_valid and isinstance(picture, pa.StructScalar) else picture
    )
    data: bytes | None = value.as_py()
    return data if isinstance(data, bytes) else None


def _path(picture: pa.Scalar) -> str:
    if not picture.is_valid or not isinstance(picture, pa.StructScalar):
        return ""
    if picture.type.get_field_index("path") < 0:
        return ""
    return str(picture["path"].as_py() or "")


def _extension(picture: pa.Scalar) -> str:
    """What the path beside the bytes says they are; bytes decide how they are decoded."""
    told = PurePosixPath(_path(picture)).suffix.lower().removeprefix(".")
    return told if told in PICTURES else "jpg"
