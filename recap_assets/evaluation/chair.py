"""CHAIR and object recall: what captions say is there, against what is there."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from recap_assets.evaluation.lexicon import Lexicon


@dataclass(frozen=True)
class Faithfulness:
    """`chair_i`: hallucinated share of mentions; `chair_s`: share of captions with a hallucinated
    mention; `recall`: mentioned share of true objects, None if there are none. All pooled over
    captions."""

    chair_i: float
    chair_s: float
    recall: float | None


def faithfulness(
    captions: Sequence[str], truths: Sequence[AbstractSet[str]], lexicon: Lexicon
) -> Faithfulness:
    """Compare captions with the sets of labels truly in their pictures (CHAIR, arXiv 1809.02156).

    Captions without mentions hallucinate nothing: both rates are then 0.
    """
    mentions = [lexicon.mentions(caption) for caption in captions]
    pairs = list(zip(mentions, truths, strict=True))
    wrong = [sum(label not in truth for label in said) for said, truth in pairs]
    said_in_all = sum(map(len, mentions))
    true_in_all = sum(len(truth) for truth in truths)
    recalled = sum(len(truth & set(said)) for said, truth in pairs)
    return Faithfulness(
        chair_i=sum(wrong) / said_in_all if said_in_all else 0.0,
        chair_s=sum(n > 0 for n in wrong) / len(wrong) if wrong else 0.0,
        recall=recalled / true_in_all if true_in_all else None,
    )
