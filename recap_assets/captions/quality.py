"""What a set of captions is worth as a whole: too long, repeated, or poor in counts and places.

Every function takes caption rows (`schema.CAPTIONS`) of one style and looks at those with the
status `ok`; a share is in [0, 1], and None where there is nothing to take it of.
"""

from __future__ import annotations

import polars as pl

LEAST_RATE = 0.25
_NUMBERS = (
    "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen"
    "|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
    "|hundred|thousand|dozen|pair|couple|both|single|double|triple"
)
# Longer phrases first: "on top of" is one place and not two.
_PLACES = (
    "in front|next to|on top|left|right|above|below|beneath|under|underneath|behind|between|beside"
    "|besides|inside|outside|opposite|atop|top|bottom|middle|center|centre|corner|foreground"
    "|background"
)
_NUMBER_WORD = rf"(?i)\b(?:[0-9]+|{_NUMBERS})\b"
_PLACE_WORD = rf"(?i)\b(?:{_PLACES})\b"


def over_limit(rows: pl.DataFrame, column: str, limit: int) -> float | None:
    """(rows with more than `limit` tokens) / (rows that were counted), of one text encoder.

    `column` is its counts, start and end tokens included, such as n_tokens_clip.
    """
    counted = _good(rows).filter(pl.col(column).is_not_null())
    return _share(counted.filter(pl.col(column) > limit).height, counted.height)


def most_frequent(rows: pl.DataFrame) -> float | None:
    """(rows of the most frequent text) / (rows)."""
    counts = _counts(rows)
    return _share(int(counts.max() or 0), int(counts.sum()))  # type: ignore[arg-type]


def repeated(rows: pl.DataFrame, times: int) -> float | None:
    """(rows whose text stands in more than `times` rows) / (rows)."""
    counts = _counts(rows)
    return _share(int(counts.filter(counts > times).sum()), int(counts.sum()))


def numbers(rows: pl.DataFrame) -> float | None:
    """Number words per caption: digits in a row, "one" to "thousand", "pair", "dozen" and such."""
    return _rate(_good(rows), _NUMBER_WORD)


def places(rows: pl.DataFrame) -> float | None:
    """Place words per caption: sides, "above", "behind", "in front", "between" and such."""
    return _rate(_good(rows), _PLACE_WORD)


def lost(generated: float | None, human: float | None) -> float | None:
    """max(0, 1 - generated / human): how much of a rate of people's captions is missing.

    None where either is unknown or people's is below `LEAST_RATE`: words that are rare in a style,
    or in another language than English, are none of its traits, and their rate is mostly noise.
    """
    if generated is None or human is None or human < LEAST_RATE:
        return None
    return max(0.0, 1 - generated / human)


def not_utf8(index: pl.DataFrame, caption: str) -> float | None:
    """(pictures whose alt-text was not UTF-8) / (pictures), by the notes of a shard's index.

    `index` has the columns of `images.schema.INDEX`; `caption` is `dataset.caption`: the member's
    extension, or `json.<field>`.
    """
    note = f"{caption.partition('.')[0]} is not UTF-8"
    noted = pl.col("error").fill_null("").str.split("; ").list.contains(note)
    return _share(index.filter(noted).height, index.height)


def _good(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("status") == "ok")


def _counts(rows: pl.DataFrame) -> pl.Series:
    return _good(rows).group_by("caption").len()["len"]


def _rate(rows: pl.DataFrame, pattern: str) -> float | None:
    found = int(rows["caption"].str.count_matches(pattern).sum())
    return _share(found, rows.height)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
