"""How many tokens a caption has for a text encoder, and counting stored rows again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import model_digest

#: The length of each text. A tokenizer takes many at once in a fraction of the time.
TokenCounter = Callable[[Sequence[str]], list[int]]


def counter(model: str | Path, revision: str | None = None) -> TokenCounter:
    """The length of texts for the tokenizer in a folder or on a hub, special tokens included.

    Raises:
        UserError: if there is no usable tokenizer.
    """
    return _counter(str(model), revision, model_digest(model, revision))


def counting(words: Any) -> TokenCounter:
    """The length of texts for a loaded tokenizer, which is silent about its limit."""

    def count(texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in words(list(texts), verbose=False).input_ids] if texts else []

    return count


def once(count: TokenCounter) -> TokenCounter:
    """The same counter, that counts a text when it is first asked for it and never again."""
    known: dict[str, int] = {}

    def counted(texts: Sequence[str]) -> list[int]:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, count(new), strict=True))
        return [known[text] for text in texts]

    return counted


def recount(rows: pl.DataFrame, counters: Mapping[str, TokenCounter | None]) -> pl.DataFrame:
    """Caption rows with the columns of `counters` counted anew, null where the counter is None.

    Counts are no part of a recipe: another text encoder changes them and no caption.
    """
    texts = rows["caption"].to_list()
    counted = {
        column: [None] * len(texts) if count is None else count(texts)
        for column, count in counters.items()
    }
    return rows.with_columns(
        pl.Series(column, values, dtype=pl.Int32) for column, values in counted.items()
    )


@lru_cache(maxsize=4)
def _counter(model: str, revision: str | None, content: str) -> TokenCounter:
    """`content` has a folder that changed read again."""
    from transformers import AutoTokenizer

    try:
        words = AutoTokenizer.from_pretrained(model, revision=revision)
    except (OSError, ValueError, TypeError, KeyError, ImportError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"text encoder {model}: no usable tokenizer ({reason}); name a folder or hub id that "
            "holds one"
        ) from error
    return counting(words)
