"""Which pictures are exported and which are left out, each for one reason, counted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from recap_assets.captions.export.shard import Shard

#: What becomes of an index row; every row has exactly one.
EXPORTED, UNUSABLE, HELD_OUT, REPEATED, FAILED = OUTCOMES = (
    "exported",
    "unusable",
    "held_out",
    "repeated",
    "failed",
)


#: More than there are pictures: those without a good caption come after all that have one.
_LATER = 1 << 40


@dataclass(frozen=True)
class Rules:
    """What is exported beside good captions of pictures that evaluation does not use, each once.

    held_out: sha256 of the pictures that are left out.
    keep_failed: pictures without a good caption stay, with an empty text.
    keep_duplicates: pictures that come several times stay as often.
    """

    held_out: Collection[str] = ()
    keep_failed: bool = False
    keep_duplicates: bool = False


@dataclass(frozen=True)
class Counts:
    """Pictures by what became of them; `exported` and what was left out add up to `pictures`.

    without_caption: exported ones with an empty text.
    failed: those left out for want of a good caption, by reason.
    statuses: by style, how many captions have each status, of the exported pictures and the failed.
    """

    pictures: int = 0
    exported: int = 0
    without_caption: int = 0
    unusable: int = 0
    held_out: int = 0
    repeated: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Selection:
    """What becomes of every row of every shard."""

    outcomes: Mapping[str, pl.Series]
    counts: Counts

    def apply(self, shard: Shard) -> Shard:
        """The shard with the column `outcome`; kept pictures without a good caption get ""."""
        rows = shard.rows.with_columns(self.outcomes[shard.key].alias("outcome"))
        kept = (pl.col("outcome") == EXPORTED) & ~pl.col("good")
        text = pl.when(kept).then(pl.lit("")).otherwise("caption").alias("caption")
        return replace(shard, rows=rows.with_columns(text))


def select(shards: Iterable[Shard], rules: Rules) -> Selection:
    """Decide about every picture, before any is read.

    `shards` are those that `Choice.apply` gives, in the order in which the first of several equal
    pictures is taken; one with a good caption comes before one without. Of each only what decides
    is kept.
    """
    slim = [_deciding(shard, rules) for shard in shards]
    rows = pl.concat(slim) if slim else pl.DataFrame(schema=_SLIM)
    rows = rows.with_row_index("place").with_columns(_outcome(rules).alias("outcome"))
    parts = rows.partition_by("shard", maintain_order=True)
    outcomes = {part["shard"][0]: part["outcome"] for part in parts}
    return Selection(outcomes, _counts(rows))


_SLIM = {
    "shard": pl.String(),
    "uid": pl.String(),
    "usable": pl.Boolean(),
    "held": pl.Boolean(),
    "good": pl.Boolean(),
    "reason": pl.String(),
    "statuses": pl.Struct({}),
}


def _deciding(shard: Shard, rules: Rules) -> pl.DataFrame:
    statuses = [frame["status"].alias(style) for style, frame in shard.captions.items()]
    return shard.rows.select(
        pl.lit(shard.key).alias("shard"),
        "uid",
        pl.col("status").ne("error").alias("usable"),
        pl.col("image_sha256").is_in(sorted(rules.held_out)).alias("held"),
        "good",
        "reason",
        pl.Series("statuses", pl.DataFrame(statuses).to_struct("statuses")),
    )


def _outcome(rules: Rules) -> pl.Expr:
    candidate = pl.col("usable") & ~pl.col("held")
    # Equal pictures are in one window only with others that may be taken.
    turn = pl.col("place").cast(pl.Int64) + (~pl.col("good")).cast(pl.Int64) * _LATER
    order = turn.rank("ordinal").over("uid", candidate)
    again = pl.lit(False) if rules.keep_duplicates else order > 1
    failed = pl.lit(False) if rules.keep_failed else ~pl.col("good")
    return (
        pl.when(~pl.col("usable"))
        .then(pl.lit(UNUSABLE))
        .when("held")
        .then(pl.lit(HELD_OUT))
        .when(again)
        .then(pl.lit(REPEATED))
        .when(failed)
        .then(pl.lit(FAILED))
        .otherwise(pl.lit(EXPORTED))
    )


def _counts(rows: pl.DataFrame) -> Counts:
    by = {outcome: rows.filter(pl.col("outcome") == outcome) for outcome in OUTCOMES}
    shown = rows.filter(pl.col("outcome").is_in([EXPORTED, FAILED])).select("statuses").unnest()
    return Counts(
        pictures=rows.height,
        exported=by[EXPORTED].height,
        without_caption=by[EXPORTED].filter(~pl.col("good")).height,
        unusable=by[UNUSABLE].height,
        held_out=by[HELD_OUT].height,
        repeated=by[REPEATED].height,
        failed=_tally(by[FAILED]["reason"]),
        statuses={column.name: _tally(column) for column in shown},
    )


def _tally(values: pl.Series) -> dict[str, int]:
    pairs = values.drop_nulls().value_counts().rows()
    return {str(value): int(count) for value, count in sorted(pairs)}
