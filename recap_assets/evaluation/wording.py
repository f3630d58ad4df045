"""How captions are worded: lexical units, lengths, vocabulary and repetition."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

_UNIT = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_QUANTILES = (0.05, 0.5, 0.95, 1.0)


def words(text: str) -> list[str]:
    """The lexical units of a text, lower-cased: runs of letters and digits, with inner
    apostrophes."""
    return _UNIT.findall(unicodedata.normalize("NFKC", text).replace("\u2019", "'").lower())


def wording(captions: Sequence[str], frequent: int = 10) -> dict[str, Any]:
    """Lengths in words, vocabulary and repetition of captions.

    `type_token` is distinct words / words and falls with the amount of text: compare sets of like
    size. `distinct` is the share of distinct captions; `frequent` lists the most frequent ones with
    their counts. Shares and means of no captions are None.
    """
    units = [words(caption) for caption in captions]
    lengths = np.array([len(unit) for unit in units])
    tokens = int(lengths.sum())
    vocabulary = len({word for unit in units for word in unit})
    counts = Counter(captions)
    return {
        "n": len(captions),
        "words_mean": float(lengths.mean()) if captions else None,
        "words_quantiles": _quantiles(lengths),
        "vocabulary": vocabulary,
        "type_token": vocabulary / tokens if tokens else None,
        "distinct": len(counts) / len(captions) if captions else None,
        "frequent": [[text, count] for text, count in counts.most_common(frequent)],
    }


def over_limit(token_counts: Sequence[int], limit: int) -> float | None:
    """Share of captions with more than `limit` tokens; None without captions."""
    return sum(n > limit for n in token_counts) / len(token_counts) if token_counts else None


def _quantiles(lengths: np.ndarray) -> dict[str, float] | None:
    if not lengths.size:
        return None
    values = np.quantile(lengths, _QUANTILES)
    return {f"{q:g}": float(value) for q, value in zip(_QUANTILES, values, strict=True)}
