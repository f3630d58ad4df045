"""Pictures of files and of the data set as arrays, for models that want one square size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.project import Project
from recap_assets.images.decode import MAX_PIXELS, DecodeError, decode
from recap_assets.images.fit import fit
from recap_assets.images.reader import PictureReader
from recap_assets.stages import images


def read(paths: Sequence[Path], size: int) -> np.ndarray:
    """uint8 [N, size, size, 3] of picture files, centre-cropped.

    Raises:
        UserError: if a file is missing or no picture.
    """
    out = np.empty((len(paths), size, size, 3), np.uint8)
    for slot, path in zip(out, paths, strict=True):
        slot[...] = np.asarray(fit(of_file(path), size))
    return out


def of_file(path: Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The RGB picture in a file. Raises as `read`."""
    try:
        return decode(path.read_bytes(), max_pixels)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); restore the file") from error
    except DecodeError as error:
        raise UserError(f"{path}: is no usable picture ({error.reason}); replace it") from error


def of_shard(project: Project, shard: str, rows: pl.DataFrame, size: int) -> np.ndarray:
    """uint8 [N, size, size, 3] of index rows of one shard, centre-cropped."""
    tar = images.source(project, shard)
    with PictureReader(tar, project.config.dataset.max_pixels) as reader:
        return reader.tensor(rows, size)


@contextmanager
def encoded(project: Project, shard: str) -> Iterator[Callable[[Mapping[str, Any]], bytes]]:
    """Within the block, what gives the bytes of an index row's picture as its source has them.

    It raises UserError where they are no longer those that were indexed.
    """
    tar = images.source(project, shard)
    with PictureReader(tar, project.config.dataset.max_pixels) as reader:
        yield lambda row: reader.bytes(row["key"], row["offset"], row["size"], row["image_sha256"])
