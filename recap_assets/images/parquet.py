"""Parquet files read piece by piece, whatever their size, wherever they lie."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, islice

import pyarrow as pa
import pyarrow.parquet as pq

from recap_assets.experiment.errors import UserError
from recap_assets.images.locations import File, line, open_file

_BUFFER = 1 << 20
_FEW = 8
_LARGEST_VALUE = 1 << 28


@contextmanager
def opened(path: File) -> Iterator[pq.ParquetFile]:
    """The file, open to be read in pieces.

    Raises:
        UserError: if it is no Parquet; also for what goes wrong while it is read in the block.
    """
    with open_file(path) as file:
        try:
            yield pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)
        except (pa.ArrowException, OSError, MemoryError) as error:
            raise UserError(
                f"{path}: no readable Parquet file ({line(error)}); write or download it again"
            ) from error


def batches(
    path: File, file: pq.ParquetFile, columns: Sequence[str], rows: int
) -> Iterator[pa.RecordBatch]:
    """Batches of at most `rows` rows; in memory are they and a page of each column.

    Raises:
        UserError: if a row group says that its values are of an insane size.
    """
    for group in range(file.num_row_groups):
        _check(path, file.metadata.row_group(group), columns)
        yield from file.iter_batches(rows, row_groups=[group], columns=list(columns))


def _check(path: File, group: pq.RowGroupMetaData, columns: Sequence[str]) -> None:
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema.split(".")[0] not in columns:
            continue
        if column.total_uncompressed_size > _LARGEST_VALUE * max(1, group.num_rows):
            raise UserError(
                f"{path}: column {column.path_in_schema!r} holds {column.total_uncompressed_size} "
                f"bytes in {group.num_rows} rows, more than can be pictures and texts; leave the "
                f"file out"
            )


class RowReader:
    """Values of one column by row number; going forward within a row group reads no page twice."""

    def __init__(self, path: File, file: pq.ParquetFile, column: str) -> None:
        self._path, self._file, self._column = path, file, column
        sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
        self._starts = [0, *accumulate(sizes)]
        self._values: Iterator[pa.Scalar] = iter(())
        self._group, self._next = -1, 0

    def value(self, row: int) -> pa.Scalar:
        """The value in a row; null where the file has no such row. Raises as `opened`."""
        if not 0 <= row < self._starts[-1]:
            return pa.scalar(None)
        group = bisect_right(self._starts, row) - 1
        if group != self._group or row < self._next:
            self._values, self._next = self._read(group), self._starts[group]
            self._group = group
        found = next(islice(self._values, row - self._next, None))
        self._next = row + 1
        return found

    def _read(self, group: int) -> Iterator[pa.Scalar]:
        try:
            for batch in self._file.iter_batches(_FEW, row_groups=[group], columns=[self._column]):
                yield from batch.column(0)
        except (pa.ArrowException, OSError) as error:
            raise UserError(
                f"{self._path}: row group {group} cannot be read ({line(error)}); "
                f"write or download it again"
            ) from error
