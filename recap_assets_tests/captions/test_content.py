from __future__ import annotations

import hashlib

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.captions.content import content_digest

ROWS = st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), max_size=6)


def frame_of(rows: list[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row")


def digest_of(rows: list[tuple[str, str]]) -> str:
    return content_digest(frame_of(rows), ("a", "b"))


def test_by_hand() -> None:
    expected = hashlib.sha256(b'["a","caf\\u00e9"]\n["b",""]\n').hexdigest()
    assert digest_of([("b", ""), ("a", "café")]) == expected


@given(ROWS, st.randoms())
def test_order_does_not_matter(rows: list[tuple[str, str]], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert digest_of(rows) == digest_of(shuffled)


@given(ROWS, ROWS)
def test_equal_digests_mean_equal_rows(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    assert (digest_of(one) == digest_of(other)) == (sorted(one) == sorted(other))


def test_a_border_that_moves_between_columns_is_seen() -> None:
    assert digest_of([("ab", "c")]) != digest_of([("a", "bc")])
    assert digest_of([('a","b', "")]) != digest_of([("a", 'b","')])


def test_other_columns_do_not_count() -> None:
    frame = frame_of([("x", "y")]).with_columns(run_id=pl.lit("r1"))
    assert content_digest(frame, ("a", "b")) == digest_of([("x", "y")])
