"""The metadata files of an imagefolder: a record per picture, from JSON lines, CSV or Parquet."""

from __future__ import annotations

import csv
import json
import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from recap_assets.experiment.errors import UserError
from recap_assets.images.parquet import batches, opened
from recap_assets.images.sample import LONGEST_TEXT

Record = dict[str, object]
#: Columns that name the picture, relative to the folder of the metadata file.
NAMES = ("file_name", "image")
_ROWS = 1000


def records(root: Path, file: str) -> Iterator[tuple[str, Record]]:
    """(path below `root`, record) of each row of the metadata file `file`, one at a time.

    The path is as written, joined to the file's folder; it may lead anywhere.

    Raises:
        UserError: if the file cannot be read, or a row is damaged, too long or names no picture.
    """
    read: dict[str, Callable[[Path], Iterator[Record]]] = {
        ".jsonl": _json_lines,
        ".csv": _csv,
        ".parquet": _parquet,
    }
    path = root / file
    for number, record in enumerate(read[path.suffix](path), start=1):
        name = next((record[n] for n in NAMES if isinstance(record.get(n), str)), None)
        if not isinstance(name, str) or not name:
            raise UserError(
                f"{path}: row {number} has no {' or '.join(NAMES)}; name the picture there"
            )
        folder = posixpath.dirname(file)
        joined = name if not folder else f"{folder}/{name}"
        yield joined.removeprefix("./"), record


def _json_lines(path: Path) -> Iterator[Record]:
    with _open(path) as file:
        number = 0
        while text := file.readline(LONGEST_TEXT + 1):
            number += 1
            if len(text) > LONGEST_TEXT:
                raise _bad(path, number, f"is longer than {LONGEST_TEXT} characters")
            if not text.strip():
                continue
            try:
                record = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise _bad(path, number, "is no JSON") from error
            if not isinstance(record, dict):
                raise _bad(path, number, "is no JSON object")
            yield record


def _csv(path: Path) -> Iterator[Record]:
    with _open(path) as file:
        reader = csv.DictReader(_bounded(path, file))
        try:
            for row in reader:
                yield {name: value for name, value in row.items() if isinstance(name, str)}
        except csv.Error as error:
            raise _bad(path, reader.line_num, f"is no CSV ({error})") from error


def _bounded(path: Path, file: TextIO) -> Iterator[str]:
    number = 0
    while text := file.readline(LONGEST_TEXT + 1):
        number += 1
        if len(text) > LONGEST_TEXT:
            raise _bad(path, number, f"is longer than {LONGEST_TEXT} characters")
        yield text


def _parquet(path: Path) -> Iterator[Record]:
    with opened(path) as file:
        for batch in batches(path, file, file.schema_arrow.names, _ROWS):
            yield from batch.to_pylist()


def _open(path: Path) -> TextIO:
    try:
        # Bytes that are not UTF-8 cost their letter, not the picture.
        return path.open(encoding="utf-8-sig", errors="replace", newline="")
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); check that it is yours"
        ) from error


def _bad(path: Path, number: int, reason: str) -> UserError:
    return UserError(f"{path}: line {number} {reason}; correct it")
