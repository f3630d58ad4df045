"""Which of a picture's captions an export shows, where its format shows one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from recap_assets.captions.export.shard import Shard

NOT_SHOWN = "not shown by the arm"
NONE_GOOD = "no good caption"


@dataclass(frozen=True)
class Choice:
    """The captions of one style, or those drawn for an arm; with neither, none is chosen.

    drawn: columns uid, style and caption, a row for each picture that the arm shows.
    """

    style: str | None = None
    drawn: pl.DataFrame | None = None

    @property
    def made(self) -> bool:
        """Whether there is one caption for each picture."""
        return self.style is not None or self.drawn is not None

    def apply(self, shard: Shard) -> Shard:
        """The shard with four more columns in `rows`.

        style, caption: the chosen one; null where there is no good one or nothing is chosen.
        good: whether there is a good caption: the chosen one, or any where nothing is chosen.
        reason: why not, null for good ones.
        """
        if self.drawn is not None:
            found = _drawn(shard, self.drawn)
        elif self.style is not None:
            found = _of_style(shard, self.style)
        else:
            found = _any(shard)
        found = found.with_columns(pl.when(~pl.col("good")).then("reason").alias("reason"))
        return replace(shard, rows=pl.concat([shard.rows, found], how="horizontal"))


def _of_style(shard: Shard, style: str) -> pl.DataFrame:
    good = pl.col("status") == "ok"
    return shard.captions[style].select(
        pl.lit(style).alias("style"),
        pl.when(good).then("caption").alias("caption"),
        good.fill_null(False).alias("good"),
        pl.col("status").fill_null("missing").alias("reason"),
    )


def _drawn(shard: Shard, drawn: pl.DataFrame) -> pl.DataFrame:
    names = shard.rows.select("uid")
    beside = names.join(drawn, on="uid", how="left", maintain_order="left")
    good = pl.col("caption").is_not_null()
    return beside.select("style", "caption", good.alias("good"), pl.lit(NOT_SHOWN).alias("reason"))


def _any(shard: Shard) -> pl.DataFrame:
    columns = [shard.good(style) for style in shard.captions]
    good = pl.any_horizontal(pl.col(column.name).is_not_null() for column in columns)
    nothing = pl.lit(None, pl.String)
    return pl.DataFrame(columns).select(
        nothing.alias("style"),
        nothing.alias("caption"),
        good.alias("good"),
        pl.lit(NONE_GOOD).alias("reason"),
    )
