"""How close generated captions come to people's, by their words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from recap_assets.captioning.cider import cider

_WORD = re.compile(r"\w+")


#: Named numbers; None where something cannot be measured.
Scores = dict[str, float | None]


def scores(generated: Sequence[str], human: Sequence[str]) -> Scores:
    """Means over generated captions, each against the human one in its place, and their number `n`.

    token_f1, exact: 0 to 1, see `f1`; `exact` is the share of captions equal word by word.
    cider: CIDEr-D, 0 to 10, the rarity of words taken from these human captions themselves; None
        where they do not differ, as one alone does not.
    words, human_words: lengths of the generated and the human captions.

    Raises ValueError if there are none or the lengths differ.
    """
    pairs = [(words(a), words(b)) for a, b in zip(generated, human, strict=True)]
    if not pairs:
        raise ValueError("no captions to score")
    telling = cider([a for a, _ in pairs], [[b] for _, b in pairs])
    return {
        "token_f1": sum(f1(a, b) for a, b in pairs) / len(pairs),
        "exact": sum(a == b for a, b in pairs) / len(pairs),
        "cider": None if telling is None else sum(telling) / len(pairs),
        "words": sum(len(a) for a, _ in pairs) / len(pairs),
        "human_words": sum(len(b) for _, b in pairs) / len(pairs),
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
