"""How long, how varied and how repetitive a set of captions is."""

from __future__ import annotations

import duckdb
import polars as pl

_WORDS = r"SELECT regexp_extract_all(lower(caption), '[\p{L}\p{N}]+') AS words FROM captions"

_LENGTHS = r"""
SELECT unit, count(length) AS n, avg(length) AS mean, stddev_samp(length) AS sd,
    min(length) AS min, quantile_cont(length, 0.05) AS p05, quantile_cont(length, 0.25) AS p25,
    quantile_cont(length, 0.5) AS p50, quantile_cont(length, 0.75) AS p75,
    quantile_cont(length, 0.95) AS p95, max(length) AS max
FROM (
    SELECT 'chars' AS unit, length(caption) AS length FROM captions
    UNION ALL SELECT 'words', len(regexp_extract_all(caption, '\S+')) FROM captions
    UNION ALL SELECT 'tokens', n_tokens_clip FROM captions
) GROUP BY unit ORDER BY unit
"""

_VOCABULARY = f"""
WITH split AS ({_WORDS}),
words AS (SELECT unnest(words) AS word FROM split),
pairs AS (SELECT unnest(list_zip(words[:-2], words[2:])) AS pair FROM split WHERE len(words) > 1)
SELECT (SELECT count(*) FROM words) AS tokens, (SELECT count(DISTINCT word) FROM words) AS types,
    (SELECT count(DISTINCT pair) FROM pairs) AS bigrams
"""

_FREQUENT = """
SELECT caption, count(*) AS n, count(*) / sum(count(*)) OVER () AS share
FROM captions GROUP BY caption ORDER BY n DESC, caption LIMIT ?
"""


def lengths(captions: pl.DataFrame) -> pl.DataFrame:
    """Length statistics of a caption set: a row each for chars, tokens and words.

    `captions` has the columns caption and n_tokens_clip. Columns: unit, n, mean, sd (of the
    sample), min, p05, p25, p50, p75, p95, max. Words are runs without white space, as in caption
    rows; quantiles are interpolated. Captions without a token count do not count there.
    """
    return _ask(captions, _LENGTHS)


def vocabulary(captions: pl.DataFrame) -> dict[str, float]:
    """Word statistics over the column `caption`, lower case, punctuation apart.

    tokens: running words. types: different words. type_token_ratio: their quotient in (0, 1], 0
    without words; it falls as a set grows, so compare sets of one size. bigrams: different pairs of
    neighbours.
    """
    tokens, types, bigrams = _ask(captions, _VOCABULARY).row(0)
    ratio = types / tokens if tokens else 0.0
    return {"tokens": tokens, "types": types, "type_token_ratio": ratio, "bigrams": bigrams}


def frequent(captions: pl.DataFrame, limit: int = 20) -> pl.DataFrame:
    """The most frequent texts: columns caption, n and share in (0, 1], sorted by n."""
    return _ask(captions, _FREQUENT, limit)


def _ask(captions: pl.DataFrame, query: str, *parameters: object) -> pl.DataFrame:
    """The answer of `query` over the table `captions`."""
    with duckdb.connect() as connection:
        connection.register("captions", captions.to_arrow())
        return connection.sql(query, params=list(parameters)).pl()
