from __future__ import annotations

from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.captions import quality
from recap_assets_tests.captions.making import index_of, index_row


def rows_of(*captions: str, status: str = "ok") -> pl.DataFrame:
    schema = {"caption": pl.String, "status": pl.String}
    return pl.DataFrame({"caption": captions, "status": [status] * len(captions)}, schema=schema)


@pytest.mark.parametrize(
    ("caption", "numbers", "places"),
    [
        ("two red circles left of a square", 1, 1),
        ("3 cats, 12 dogs and one bird", 3, 0),
        ("a pair of boxes in front of a door", 1, 1),
        ("a lamp on top of a table, behind it a wall", 0, 2),
        ("Above the sea, BETWEEN two rocks", 1, 2),
        # Parts of other words are no numbers and no places.
        ("someone often atones for leftovers and bright belows", 0, 0),
        ("", 0, 0),
    ],
)
def test_number_and_place_words_by_hand(caption: str, numbers: int, places: int) -> None:
    assert quality.numbers(rows_of(caption)) == numbers
    assert quality.places(rows_of(caption)) == places


def test_rates_are_per_good_caption() -> None:
    rows = pl.concat([rows_of("two cats", "a cat"), rows_of("9 9 9 9", status="looped")])
    assert quality.numbers(rows) == 0.5
    assert quality.numbers(rows_of()) is None


@pytest.mark.parametrize(
    ("generated", "human", "share"),
    [
        (0.5, 2.0, 0.75),
        (2.0, 2.0, 0.0),
        (3.0, 2.0, 0.0),
        (0.0, 0.24, None),
        (0.0, 0.25, 1.0),
        (None, 1.0, None),
    ],
)
def test_what_is_lost_by_hand(
    generated: float | None, human: float | None, share: float | None
) -> None:
    assert quality.lost(generated, human) == share


@given(st.lists(st.sampled_from("abcd")), st.integers(0, 4))
def test_repeats_are_those_a_counter_finds(captions: list[str], times: int) -> None:
    rows, counts = rows_of(*captions), Counter(captions)
    if not captions:
        assert (quality.most_frequent(rows), quality.repeated(rows, times)) == (None, None)
        return
    assert quality.most_frequent(rows) == max(counts.values()) / len(captions)
    often = sum(captions.count(caption) > times for caption in captions)
    assert quality.repeated(rows, times) == often / len(captions)


def test_failed_rows_are_no_repeats() -> None:
    rows = pl.concat([rows_of("a", "b"), rows_of("", "", "", status="empty")])
    assert quality.most_frequent(rows) == 0.5


def test_over_the_limit_counts_what_was_counted() -> None:
    rows = rows_of("a", "b", "c", "d").with_columns(n_tokens_t5=pl.Series([77, 78, None, 2]))
    assert quality.over_limit(rows, "n_tokens_t5", 77) == 1 / 3
    assert quality.over_limit(rows.clear(), "n_tokens_t5", 77) is None


def test_alt_text_that_was_not_utf8_is_known_by_its_note() -> None:
    index = index_of(
        [
            index_row("a", error="txt is not UTF-8"),
            index_row("b", error="cut off; json is not UTF-8; txt is not UTF-8"),
            index_row("c", error="json is not UTF-8"),
            index_row("d"),
        ]
    )
    assert quality.not_utf8(index, "txt") == 0.5
    assert quality.not_utf8(index, "json.alt") == 0.5
    assert quality.not_utf8(index, "caption") == 0
