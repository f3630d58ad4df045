from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.captions.entries import joined, prefixes, shown, texts

LONG = "Two cats, on a mat. A dog: 3.5 kg"
SETS = {
    "long": pl.DataFrame({"uid": ["a", "b", "c"], "caption": [LONG, "one cat", "x"]}),
    "alt": pl.DataFrame({"uid": ["b", "a"], "caption": ["IMG_7", "shop now"]}),
}


def letters(texts: Sequence[str]) -> list[int]:
    return [len(text) for text in texts]


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        (LONG, ["Two cats", "Two cats, on a mat.", "Two cats, on a mat. A dog", LONG]),
        ("one cat", ["one cat"]),
        ("1,000 dogs at 3:15", ["1,000 dogs at 3:15"]),
        ("", [""]),
    ],
)
def test_prefixes_by_hand(caption: str, expected: list[str]) -> None:
    assert prefixes(caption) == expected


@given(st.text("ab .,;!3"))
def test_a_prefix_is_a_beginning_and_the_last_is_all(caption: str) -> None:
    found = prefixes(caption)
    assert found[-1] == caption
    assert all(caption.startswith(text) for text in found)


def test_captions_are_joined_where_a_picture_has_both() -> None:
    assert joined(SETS, ["long", "alt"]).rows() == [
        ("a", f"{LONG} shop now"),
        ("b", "one cat IMG_7"),
    ]
    assert texts(SETS, "alt+long") == {f"shop now {LONG}", "IMG_7 one cat"}


def test_a_plain_entry_is_the_caption_set() -> None:
    found = shown(SETS, "alt", 0, 0, letters)
    assert found.rows() == [("b", "IMG_7", 5), ("a", "shop now", 8)]


def test_cuts_are_even_over_epochs_and_known_beforehand() -> None:
    n = 2000
    drawn = [shown(SETS, "long:random_length", epoch, 3, letters).rows()[0] for epoch in range(n)]
    assert drawn == [shown(SETS, "long:random_length", e, 3, letters).rows()[0] for e in range(n)]
    counts = Counter(text for _, text, _ in drawn)
    assert set(counts) == set(prefixes(LONG)) <= texts(SETS, "long:random_length")
    # Five standard deviations of a binomial count of n draws with probability 1/4.
    assert all(abs(count - n / 4) < 5 * (n * 3 / 16) ** 0.5 for count in counts.values())
    assert all(length == len(text) for _, text, length in drawn)


SEVERAL = {"alt:any": pl.DataFrame({"uid": ["a", "b"], "texts": [["one", "two", "three"], ["x"]]})}


def test_any_of_several_texts_is_drawn_evenly_and_again_the_same() -> None:
    draws = [shown(SEVERAL, "alt:any", epoch, 7, letters).rows() for epoch in range(600)]
    assert draws == [shown(SEVERAL, "alt:any", epoch, 7, letters).rows() for epoch in range(600)]
    counts = Counter(rows[0][1] for rows in draws)
    assert set(counts) == {"one", "two", "three"}
    # 200 of each expected, with a standard deviation of 12.
    assert all(150 < count < 250 for count in counts.values())
    assert {rows[1] for rows in draws} == {("b", "x", 1)}
    assert draws != [shown(SEVERAL, "alt:any", epoch, 8, letters).rows() for epoch in range(600)]
    assert texts(SEVERAL, "alt:any") == {"one", "two", "three", "x"}
