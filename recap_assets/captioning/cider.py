"""CIDEr-D: how far a caption says what sets people's captions of a picture apart from the others.

Vedantam et al. 2015 (arXiv 1411.5726), as its authors' code computes it: n-grams count as often as
they occur, not by their share of the caption. One thing is mended: that code measures length in
pairs of words, so that a caption of one word is as long to it as none.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Words = Sequence[str]
_LONGEST = 4
_SIGMA = 6.0
_Gram = tuple[str, ...]


@dataclass(frozen=True)
class _Said:
    """A caption: for each n from 1 a vector over n-grams and its norm; and its number of words."""

    weights: list[dict[_Gram, float]]
    norms: list[float]
    length: int


def cider(generated: Sequence[Words], human: Sequence[Sequence[Words]]) -> list[float] | None:
    """The score in [0, 10] of each picture's generated caption against people's captions of it.

    An n-gram weighs ln(pictures / pictures whose human captions have it). So scores of different
    sets do not compare, and what is said of every picture weighs nothing. A caption under four
    words has no 4-grams, and stays under 10 even where it is people's word for word.

    None where no n-gram weighs anything, as with one picture or one caption for all: then every
    caption would have 0.

    Raises ValueError if the lengths differ or a picture has no human caption.
    """
    documents = [[_grams(caption) for caption in captions] for captions in human]
    if not all(documents):
        raise ValueError("a picture has no human caption")
    holding = Counter(gram for captions in documents for gram in {g for c in captions for g in c})
    if all(count == len(documents) for count in holding.values()):
        return None
    weights = {gram: math.log(len(documents) / count) for gram, count in holding.items()}
    # An n-gram that people never used weighs as much as one that they used of one picture.
    unseen = math.log(len(documents))
    return [
        _score(
            _said(_grams(caption), weights, unseen), [_said(c, weights, unseen) for c in captions]
        )
        for caption, captions in zip(generated, documents, strict=True)
    ]


def _grams(caption: Words) -> Counter[_Gram]:
    """How often each run of one to four words occurs."""
    return Counter(
        tuple(caption[start : start + n])
        for n in range(1, _LONGEST + 1)
        for start in range(len(caption) - n + 1)
    )


def _said(grams: Counter[_Gram], weights: Mapping[_Gram, float], unseen: float) -> _Said:
    vectors: list[dict[_Gram, float]] = [{} for _ in range(_LONGEST)]
    for gram, count in grams.items():
        vectors[len(gram) - 1][gram] = count * weights.get(gram, unseen)
    length = sum(count for gram, count in grams.items() if len(gram) == 1)
    return _Said(vectors, [math.hypot(*vector.values()) for vector in vectors], length)


def _score(generated: _Said, human: Sequence[_Said]) -> float:
    """10 times the mean likeness to people's captions, less the more the lengths differ."""
    total = sum(
        math.exp(-((generated.length - one.length) ** 2) / (2 * _SIGMA**2))
        * sum(_cosine(generated, one, n) for n in range(_LONGEST))
        / _LONGEST
        for one in human
    )
    return 10.0 * total / len(human)


def _cosine(generated: _Said, human: _Said, n: int) -> float:
    """The cosine for one n, where repeating an n-gram more often than people did earns nothing."""
    norms = generated.norms[n] * human.norms[n]
    theirs = human.weights[n]
    shared = (
        min(weight, theirs[gram]) * theirs[gram]
        for gram, weight in generated.weights[n].items()
        if gram in theirs
    )
    return sum(shared) / norms if norms else 0.0
