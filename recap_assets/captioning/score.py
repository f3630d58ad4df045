"""How close generated captions come to people's, by their words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TypedDict

_WORD = re.compile(r"\w+")


class Scores(TypedDict):
    """Means over captions: token F1 and share of equal captions, each 0 to 1; and their number."""

    token_f1: float
    exact: float
    n: int


def scores(generated: Sequence[str], human: Sequence[str]) -> Scores:
    """The scores of generated captions, each against the human one in its place.

    Raises ValueError if there are none or the lengths differ.
    """
    pairs = [(words(a), words(b)) for a, b in zip(generated, human, strict=True)]
    if not pairs:
        raise ValueError("no captions to score")
    return {
        "token_f1": sum(f1(a, b) for a, b in pairs) / len(pairs),
        "exact": sum(a == b for a, b in pairs) / len(pairs),
        "n": len(pairs),
    }


def words(text: str) -> list[str]:
    """Runs of letters, digits and underscores, without regard to case; punctuation is dropped."""
    return _WORD.findall(text.casefold())


def f1(generated: Sequence[str], human: Sequence[str]) -> float:
    """The harmonic mean of precision and recall over words, each counted as often as it occurs.

    As in SQuAD's evaluation (Rajpurkar et al. 2016), with articles kept. 1 if both are empty.
    """
    if not generated and not human:
        return 1.0
    shared = (Counter(generated) & Counter(human)).total()
    return 2 * shared / (len(generated) + len(human))
