"""Near-duplicates: pictures whose difference hashes differ in few of their 64 bits."""

from __future__ import annotations

import numpy as np
import polars as pl
from PIL import Image

BITS = 64
_SIDE = 8


def difference_hash(image: Image.Image) -> int:
    """64 bits, as a signed number: is each of 8 x 8 grey points darker than its right neighbour.

    A copy that was resized or compressed anew differs in few bits, as with the library imagehash.
    """
    small = image.convert("L").resize((_SIDE + 1, _SIDE), Image.Resampling.LANCZOS)
    grey = np.asarray(small, dtype=np.int16)
    bits = np.packbits(grey[:, 1:] > grey[:, :-1])
    return int.from_bytes(bits.tobytes(), "big", signed=True)


def pairs(hashes: pl.DataFrame, distance: int) -> pl.DataFrame:
    """Every pair of pictures at most `distance` (0 to 16) bits apart: columns `uid`, `other`, uid
    first.

    `hashes` has `uid` and `phash`, a row a picture. Two numbers of 64 bits that differ in d bits
    agree in at least one of d + 1 bands, so that only pictures that share a band are compared.
    """
    known = hashes.select("uid", pl.col("phash").reinterpret(signed=False)).drop_nulls()
    known = known.unique("uid")
    bands = known.lazy().with_columns(band=pl.concat_list(_bands(distance))).explode("band")
    return (
        bands.join(bands, on="band", suffix="_other")
        .filter(pl.col("uid") < pl.col("uid_other"))
        .filter((pl.col("phash") ^ pl.col("phash_other")).bitwise_count_ones() <= distance)
        .select("uid", other="uid_other")
        .unique()
        .sort("uid", "other")
        .collect(engine="streaming")
    )


def _bands(distance: int) -> list[pl.Expr]:
    """The number of the band above its bits, so that bands meet only their like."""
    edges = [round(number * BITS / (distance + 1)) for number in range(distance + 2)]
    return [
        pl.format(
            "{}:{}",
            pl.lit(low),
            # A shift by division: what is above the band goes with the remainder.
            (pl.col("phash") // pl.lit(1 << low, pl.UInt64))
            % pl.lit(min(1 << (high - low), (1 << BITS) - 1), pl.UInt64),
        )
        for low, high in zip(edges, edges[1:], strict=False)
    ]


def within(hashes: pl.Series, asked: pl.Series, distance: int) -> pl.Series:
    """For each of `hashes` whether it is at most `distance` bits from one of `asked` (few)."""
    found = pl.Series([False]).new_from_index(0, len(hashes))
    for one in asked:
        found |= (hashes ^ pl.Series([one], dtype=pl.Int64)).bitwise_count_ones() <= distance
    return found
