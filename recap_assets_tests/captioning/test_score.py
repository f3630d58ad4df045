from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.captioning.score import f1, scores, words


def test_worked_by_hand() -> None:
    # "red" twice against once: 2 words shared of 3 generated (2/3) and of 4 human (1/2),
    # so 2 * (2/3) * (1/2) / (2/3 + 1/2) = 4/7.
    assert f1(["red", "red", "ring"], ["a", "red", "ring", "here"]) == pytest.approx(4 / 7)
    got = scores(["red red ring", "Two stars."], ["a red ring here", "two stars"])
    assert got == {"token_f1": pytest.approx((4 / 7 + 1) / 2), "exact": 0.5, "n": 2}


def test_words_ignore_case_and_punctuation() -> None:
    assert words("Two RED stars, left-of: it!") == ["two", "red", "stars", "left", "of", "it"]


def test_order_counts_for_exact_only() -> None:
    got = scores(["red left of blue"], ["blue left of red"])
    assert got == {"token_f1": 1.0, "exact": 0.0, "n": 1}


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
