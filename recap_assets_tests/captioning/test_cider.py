from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recap_assets.captioning.cider import cider

CAPTION = st.lists(st.sampled_from("abcde"), max_size=9)
PICTURE = st.tuples(CAPTION, st.lists(CAPTION, min_size=1, max_size=3))
PICTURES = st.lists(PICTURE, min_size=1, max_size=6)


def score(generated: list[str], human: list[list[str]]) -> list[float] | None:
    return cider([g.split() for g in generated], [[h.split() for h in one] for one in human])


def test_worked_by_hand() -> None:
    # Two pictures, so that a word of one picture weighs L = ln 2, and "a", said of both, nothing.
    # n=1: (red 2L, cat L) clipped to (red L, cat L) against (red L, cat L):
    #      2 L^2 / (sqrt 5 L * sqrt 2 L) = 2 / sqrt 10.
    # n=2: (a red, red red, red cat) against (a red, red cat): 2 / (sqrt 3 sqrt 2).
    # n=3: (a red red, red red cat) against (a red cat): nothing shared. n=4: people have none.
    # Four words against three: exp(-1/72).
    expected = 10 * math.exp(-1 / 72) * (2 / math.sqrt(10) + 2 / math.sqrt(6)) / 4
    got = score(["a red red cat", "nothing"], [["a red cat"], ["a dog"]])
    assert got == [pytest.approx(expected), 0.0]


def test_several_human_captions_are_one_document_and_their_mean_counts() -> None:
    # "b" is in both captions of the first picture: one document of two all the same.
    (first, _) = score(["b", "c"], [["b", "b x x x x x x"], ["c"]]) or []
    # The unigram against (b, x 6): 1 / sqrt 37, seven words against one.
    far = math.exp(-36 / 72) / math.sqrt(37)
    assert first == pytest.approx(10 * (1 + far) / 2 / 4)


def test_people_s_own_words_score_10_from_four_words_on() -> None:
    human = ["one two three four", "five six seven", "eight"]
    assert score(human, [[text] for text in human]) == pytest.approx([10.0, 7.5, 2.5])


def test_one_word_is_longer_than_none() -> None:
    """The authors' code counts pairs of words, so that both would be 0 long."""
    (scored, _) = score(["b", "c"], [["b"], ["c"]]) or []
    (padded, _) = score(["b", "c"], [["b b"], ["c"]]) or []
    assert padded == pytest.approx(scored * math.exp(-1 / 72))


@pytest.mark.parametrize(
    "human", [[], [["a red cat"]], [["a cat"], ["a cat"]], [[""], [""]]], ids=str
)
def test_without_a_difference_between_pictures_there_is_no_score(human: list[list[str]]) -> None:
    assert score(["a red cat"] * len(human), human) is None


def test_empty_captions_score_0() -> None:
    assert score(["", "dog"], [["cat"], [""]]) == [0.0, 0.0]


def test_what_does_not_fit_together_is_an_error() -> None:
    with pytest.raises(ValueError, match="no human caption"):
        score(["a"], [[]])
    with pytest.raises(ValueError):
        score(["a"], [["a"], ["b"]])


@given(PICTURES, st.randoms())
def test_bounds_order_and_the_names_of_words_do_not_matter(pictures, random) -> None:  # type: ignore[no-untyped-def]
    got = cider(*zip(*pictures, strict=True))
    if got is None:
        return
    assert all(0 <= one <= 10 + 1e-9 for one in got)
    order = random.sample(range(len(pictures)), len(pictures))
    renamed = [
        ([w * 2 for w in pictures[i][0]], [[w * 2 for w in c] for c in pictures[i][1]])
        for i in order
    ]
    again = cider(*zip(*renamed, strict=True))
    assert again == pytest.approx([got[i] for i in order])


# Its length of a caption is wrong for one without words, and it fails if no caption has any.
SAID = st.lists(st.sampled_from("abcde"), min_size=1, max_size=9)


@settings(max_examples=200)
@given(st.lists(st.tuples(SAID, st.lists(SAID, min_size=1, max_size=3)), min_size=1, max_size=6))
def test_equals_the_authors_code(pictures) -> None:  # type: ignore[no-untyped-def]
    scorer = pytest.importorskip("pycocoevalcap.cider.cider_scorer")
    theirs = scorer.CiderScorer(n=4, sigma=6.0)
    for generated, human in pictures:
        theirs += (" ".join(generated), [" ".join(one) for one in human])
    _, expected = theirs.compute_score()
    got = cider(*zip(*pictures, strict=True)) or [0.0] * len(pictures)
    assert got == pytest.approx(list(expected), abs=1e-9)
