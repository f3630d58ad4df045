"""How many tokens a caption has for a text encoder, and counting stored rows again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import model_digest

TokenCounter = Callable[[str], int]


def counter(model: str | Path, revision: str | None = None) -> TokenCounter:
    """The length of a text for the tokenizer in a folder or on a hub, special tokens included.

    Raises:
        UserError: if there is no usable tokenizer.
    """
    return _counter(str(model), revision, model_digest(model, revision))


def counting(words: Any) -> TokenCounter:
    """The length of a text for a loaded tokenizer, which is silent about its limit."""
    return lambda text: len(words(text, verbose=False).input_ids)


def recount(rows: pl.DataFrame, counters: Mapping[str, TokenCounter | None]) -> pl.DataFrame:
    """Caption rows with the columns of `counters` counted anew, null where the counter is None.

    Counts are no part of a recipe: another text encoder changes them and no caption.
    """
    texts = rows["caption"].to_list()
    counted = {
        column: [None if count is None else count(text) for text in texts]
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
