from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.captioning.score import f1, scores, words


def test_worked_by_hand() -> None:
    # "red" twice against once: 2 words shared of 3 generated (2/3) and of 4 human (1/2),
    # so 2 * (2/3) * (1/2) / (2/3 + 1/2) = 4/7.
    assert f1(["red", "red", "ring"], ["a", "red", "ring", "here"]) == pytest.approx(4 / 7)
    got = scores(["red red ring", "Two stars."], ["a red ring here", "two stars"])
    # All words weigh ln 2. Of the first pair: n=1 (1 + 1) / (sqrt 5 sqrt 4), n=2 the "red ring" of
    # (red red, red ring) and (a red, red ring, ring here), nothing longer; one word too short.
    # Of the second: 1 and 1 for n=1 and n=2, and people have nothing longer.
    first = 10 * math.exp(-1 / 72) * (1 / math.sqrt(5) + 1 / math.sqrt(6)) / 4
    assert got == {
        "token_f1": pytest.approx((4 / 7 + 1) / 2),
        "exact": 0.5,
        "cider": pytest.approx((first + 5.0) / 2),
        "words": 2.5,
        "human_words": 3.0,
        "n": 2,
    }


def test_words_ignore_case_and_punctuation() -> None:
    assert words("Two RED stars, left-of: it!") == ["two", "red", "stars", "left", "of", "it"]


def test_order_counts_for_exact_only() -> None:
    got = scores(["red left of blue"], ["blue left of red"])
    assert (got["token_f1"], got["exact"]) == (1.0, 0.0)


def test_one_caption_alone_has_no_cider() -> None:
    assert scores(["a ring"], ["a ring"])["cider"] is None


def test_empty_captions() -> None:
    assert scores(["", "", "red"], ["", "red", ""])["token_f1"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("pair", [([], []), (["a"], ["a", "b"])])
def test_nothing_to_compare_is_an_error(pair: tuple[list[str], list[str]]) -> None:
    with pytest.raises(ValueError):
        scores(*pair)


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_f1_is_between_0_and_1_and_symmetric(a: list[str], b: list[str]) -> None:
    assert 0 <= f1(a, b) == f1(b, a) <= 1
    assert (f1(a, b) == 1) == (sorted(a) == sorted(b))
