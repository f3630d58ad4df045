"""Train-inference skew as a classifier two-sample test: can captions be told from prompts?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recap_assets.evaluation.wording import words

_FOLDS = 5
_FEWEST = 2 * _FOLDS
_MOST = 2000  # texts of each side; more make the accuracy sharper, not different


def c2st(captions: Sequence[str], prompts: Sequence[str], seed: int = 0) -> float | None:
    """Accuracy in [0, 1] of telling captions from prompts; 0.5 means matched, 1 wholly different.

    Logistic regression on TF-IDF of words, 5 folds, classes balanced by a seeded draw
    (C2ST, arXiv 1610.06545). None if a side has fewer than 10 texts.
    """
    a, b = _balanced(captions, prompts, seed)
    return _accuracy(a, b)


def c2st_length_matched(
    captions: Sequence[str], prompts: Sequence[str], seed: int = 0
) -> float | None:
    """As `c2st` after texts are paired at random and both of a pair are cut to the shorter's words.

    Both sides then have the same lengths, so that what remains is the difference in wording.
    """
    a, b = _balanced(captions, prompts, seed)
    shortest = [min(len(x), len(y)) for x, y in zip(a, b, strict=True)]
    return _accuracy(_cut(a, shortest), _cut(b, shortest))


def _balanced(
    captions: Sequence[str], prompts: Sequence[str], seed: int
) -> tuple[list[list[str]], list[list[str]]]:
    """Equally many texts of both sides as words, in random order."""
    rng = np.random.default_rng(seed)
    size = min(len(captions), len(prompts), _MOST)
    chosen = [rng.permutation(len(texts))[:size] for texts in (captions, prompts)]
    return [words(captions[i]) for i in chosen[0]], [words(prompts[i]) for i in chosen[1]]


def _cut(texts: list[list[str]], lengths: list[int]) -> list[list[str]]:
    return [text[:length] for text, length in zip(texts, lengths, strict=True)]


def _accuracy(a: list[list[str]], b: list[list[str]]) -> float | None:
    """Mean over stratified folds, cut in order: the texts come in random order."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline

    if sum(map(bool, a)) + sum(map(bool, b)) < _FEWEST or len(a) < _FEWEST:
        return None
    classes = np.repeat([0, 1], [len(a), len(b)])
    pipeline = make_pipeline(TfidfVectorizer(analyzer=_as_is), LogisticRegression(max_iter=1000))
    return float(cross_val_score(pipeline, a + b, classes, cv=_FOLDS, scoring="accuracy").mean())


def _as_is(words: list[str]) -> list[str]:
    return words
