"""One shard as an export sees it: its pictures, and beside each one row per style."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Self

import polars as pl

from recap_assets.captions.recipe import Recipe
from recap_assets.captions.status import clean
from recap_assets.experiment.errors import UserError

Row = Mapping[str, Any]
#: By a shard's key, what gives the encoded bytes of one of its index rows.
Pictures = Callable[[str], AbstractContextManager[Callable[[Row], bytes]]]


@dataclass(frozen=True)
class Shard:
    """The pictures of a shard and what is said of them.

    rows: index rows (`images.schema.INDEX`, `extra` may lack) in their order. What `choice` and
    `selection` found is added as columns: style, caption, good, reason, then outcome.
    captions: by style, the caption rows (`captions.schema.CAPTIONS`) of `rows`, one for each and in
    the same order; all null where a picture has none.
    """

    key: str
    rows: pl.DataFrame
    captions: Mapping[str, pl.DataFrame]

    def where(self, which: pl.Expr) -> Self:
        """The pictures for which an expression over `rows` is true."""
        mask = self.rows.select(which.fill_null(False)).to_series()
        kept = {style: frame.filter(mask) for style, frame in self.captions.items()}
        return replace(self, rows=self.rows.filter(mask), captions=kept)

    def slices(self, size: int) -> Iterator[Self]:
        """The shard in parts of at most `size` pictures."""
        for start in range(0, self.rows.height, size):
            part = {style: frame.slice(start, size) for style, frame in self.captions.items()}
            yield replace(self, rows=self.rows.slice(start, size), captions=part)

    def good(self, style: str) -> pl.Series:
        """The captions of a style that are ok, named for it; null where there is none."""
        text = pl.when(pl.col("status") == "ok").then("caption")
        return self.captions[style].select(text.alias(style)).to_series()

    def entries(self) -> Iterator[tuple[Row, dict[str, Row]]]:
        """Each picture's row, and its caption row by style; styles without one are left out."""
        said = [frame.iter_rows(named=True) for frame in self.captions.values()]
        for row, *captions in zip(self.rows.iter_rows(named=True), *said, strict=True):
            pairs = zip(self.captions, captions, strict=True)
            yield row, {style: one for style, one in pairs if one["status"] is not None}


def gather(
    key: str, index: pl.DataFrame, stored: Mapping[str, pl.DataFrame], recipes: Mapping[str, Recipe]
) -> Shard:
    """Put the stored caption rows of a shard, by style, beside the rows of its index.

    Raises:
        UserError: if a picture that can be used lacks the row of a style, or its alt-text is no
            longer the one that was copied.
    """
    names = index.select("uid")
    beside = {
        style: names.join(frame, on="uid", how="left", maintain_order="left")
        for style, frame in stored.items()
    }
    for style, frame in beside.items():
        behind = _behind(index, frame, recipes[style])
        if behind:
            raise UserError(
                f"shard {key}: {behind} pictures lack a current caption of style {style!r}; "
                "`recap run --select recaptions` makes them"
            )
    return Shard(key, index, beside)


def _behind(index: pl.DataFrame, captions: pl.DataFrame, recipe: Recipe) -> int:
    """How many usable pictures have no caption row that is of them."""
    usable = index["status"] == "ok"
    missing = captions["status"].is_null()
    if recipe.copies_alt:
        told = pl.Series([clean(alt or "") for alt in index["alt"]], dtype=pl.String)
        missing = missing | (captions["caption"] != told)
    return int((usable & missing).sum())
