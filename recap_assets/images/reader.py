"""Pictures of a shard read by their index rows, each checked against its digest in the index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType

import numpy as np
import numpy.typing as npt
import polars as pl
from PIL import Image

from recap_assets.experiment.errors import UserError
from recap_assets.images.decode import MAX_PIXELS, DecodeError, decode
from recap_assets.images.fit import Fit, fit
from recap_assets.images.shard import Shard


class PictureReader:
    """An open shard whose pictures are read by index rows. One reader serves one thread.

    Example:
        with PictureReader(shard) as reader:
            batch = reader.tensor(index.filter(pl.col("status") == "ok").head(64), size=64)
    """

    def __init__(self, shard: Shard, max_pixels: int = MAX_PIXELS) -> None:
        """Raises UserError if the shard cannot be opened."""
        self._path = shard.path
        self._max_pixels = max_pixels
        self._stack = ExitStack()
        self._read = self._stack.enter_context(shard.open())

    def __enter__(self) -> PictureReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the shard; the reader cannot be used after."""
        self._stack.close()

    def bytes(self, key: str, offset: int, size: int, sha256: str) -> bytes:
        """The encoded picture of the index row with this key, offset and size.

        Raises:
            UserError: if the bytes there do not have this `sha256` (64 hex digits).
        """
        data = self._read(key, offset, size)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise UserError(
                f"{self._path}: the picture {key!r} is not the one that was indexed, so the shard "
                f"changed; index it again"
            )
        return data

    def pictures(self, rows: pl.DataFrame) -> Iterator[Image.Image]:
        """The RGB picture of each index row, in order, one in memory at a time.

        Raises:
            UserError: as `bytes`, or if a row's picture cannot be decoded (rows of status error).
        """
        for key, offset, size, sha256 in rows.select(
            "key", "offset", "size", "image_sha256"
        ).iter_rows():
            data = self.bytes(key, offset, size, sha256)
            try:
                yield decode(data, self._max_pixels)
            except DecodeError as error:
                raise UserError(
                    f"{self._path}: picture {key!r} is unusable ({error.reason}); "
                    f"leave out rows whose status is error"
                ) from error

    def tensor(self, rows: pl.DataFrame, size: int, how: Fit = "crop") -> npt.NDArray[np.uint8]:
        """The pictures as uint8 [N, size, size, 3], 0..255, made square by `fit.fit`.

        Raises:
            UserError: as `pictures`.
        """
        batch = np.empty((rows.height, size, size, 3), np.uint8)
        for slot, picture in zip(batch, self.pictures(rows), strict=True):
            slot[...] = np.asarray(fit(picture, size, how))
        return batch
