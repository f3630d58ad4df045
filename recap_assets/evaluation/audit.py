"""The audit of a caption set: its size, wording, faithfulness, and distance from the evaluation
prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from recap_assets.evaluation.chair import faithfulness
from recap_assets.evaluation.lexicon import Lexicon
from recap_assets.evaluation.skew import c2st, c2st_length_matched
from recap_assets.evaluation.wording import over_limit, wording


def audit(
    style: str,
    captions: Sequence[str],
    prompts: Sequence[str],
    statuses: Mapping[str, int],
    *,
    truths: Sequence[AbstractSet[str]] | None = None,
    lexicon: Lexicon | None = None,
    token_counts: Sequence[int] = (),
    token_limit: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Audit one style; what cannot be measured is None. Ready for JSON.

    `truths` holds for each caption the labels in its picture; with `lexicon` it gives object
    recall, CHAIR_i and CHAIR_s. `token_counts` with `token_limit` gives the share of captions that
    a text encoder would cut. `statuses` counts the caption rows by status. `c2st` is the accuracy
    of telling captions from prompts.
    """
    faithful = None
    if truths is not None and lexicon is not None:
        faithful = faithfulness(captions, truths, lexicon)
    return {
        "style": style,
        "statuses": dict(sorted(statuses.items())),
        **wording(captions),
        "token_limit": token_limit,
        "over_limit": over_limit(token_counts, token_limit) if token_limit is not None else None,
        "object_recall": faithful.recall if faithful else None,
        "chair_i": faithful.chair_i if faithful else None,
        "chair_s": faithful.chair_s if faithful else None,
        "c2st": c2st(captions, prompts, seed),
        "c2st_length_matched": c2st_length_matched(captions, prompts, seed),
    }
