"""Caption rows made from index rows and the texts that a captioner, or the source, gave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from recap_assets.captions import schema, status, tokens
from recap_assets.captions.generated import Generated
from recap_assets.captions.recipe import ALT, Recipe
from recap_assets.captions.tokens import TokenCounter


@dataclass(frozen=True)
class Stamp:
    """Who writes rows, when, and how their tokens are counted; none of it enters a hash.

    Counters take captions and return their lengths for a text encoder, start and end tokens
    included (CLIP's limit is then 77); without a counter the column stays null. `created_at` is in
    UTC.
    """

    run_id: str
    created_at: datetime
    count_clip: TokenCounter | None = None
    count_t5: TokenCounter | None = None


def build(
    index: pl.DataFrame, captions: Sequence[Generated], recipe: Recipe, stamp: Stamp
) -> pl.DataFrame:
    """Caption rows of the rows `index` of a shard's index, one for each of `captions`.

    Raises:
        ValueError: if the two differ in length: a failure is a row, never a missing one.
    """
    if len(captions) != index.height:
        raise ValueError(f"{index.height} index rows but {len(captions)} captions")
    pairs = zip(index.iter_rows(named=True), captions, strict=True)
    return _frame([_generated_row(row, made, recipe, stamp) for row, made in pairs], stamp)


def build_alt(index: pl.DataFrame, stamp: Stamp) -> pl.DataFrame:
    """Rows of the style `alt`: the source's alt-text, cleaned; a blank one has the status `empty`.

    Alt-text is what it is: it is not judged for loops or refusals. The index keeps it verbatim.
    """
    return _frame([_alt_row(row, stamp) for row in index.iter_rows(named=True)], stamp)


def recount(rows: pl.DataFrame, stamp: Stamp) -> pl.DataFrame:
    """Stored rows with their tokens counted anew; see `tokens.recount`."""
    return tokens.recount(rows, {"n_tokens_clip": stamp.count_clip, "n_tokens_t5": stamp.count_t5})


def _frame(rows: list[dict[str, object]], stamp: Stamp) -> pl.DataFrame:
    return schema.conform(recount(pl.DataFrame(rows, schema=schema.CAPTIONS), stamp))


def _generated_row(
    image: dict[str, object], made: Generated, recipe: Recipe, stamp: Stamp
) -> dict[str, object]:
    sha, alt = str(image["image_sha256"]), str(image["alt"] or "")
    caption = "" if made.error is not None else status.clean(made.text)
    judged = "error" if made.error is not None else status.judge(caption, made.finished)
    row = _row(image, caption, judged, recipe, stamp)
    error = None if made.error is None else status.clean(made.error) or "unknown"
    return row | {"error": error, "row_key": recipe.row_key(sha, alt), "seed": recipe.seed(sha)}


def _alt_row(image: dict[str, object], stamp: Stamp) -> dict[str, object]:
    alt = str(image["alt"] or "")
    caption = status.clean(alt)
    key = ALT.row_key(str(image["image_sha256"]), alt)
    row = _row(image, caption, "ok" if caption else "empty", ALT, stamp)
    return row | {"error": None, "row_key": key, "seed": None}


def _row(
    image: dict[str, object], caption: str, judged: str, recipe: Recipe, stamp: Stamp
) -> dict[str, object]:
    return {
        "uid": image["uid"],
        "shard": image["shard"],
        "source_key": image["key"],
        "url": image["url"],
        "image_sha256": image["image_sha256"],
        "style": recipe.style,
        "caption": caption,
        "status": judged,
        "model_id": recipe.model_id,
        "model_revision": recipe.model_revision,
        "adapter_sha": recipe.adapter_sha,
        "prompt_id": recipe.prompt_id,
        "prompt_sha": recipe.prompt_sha,
        "sampling": recipe.sampling_json,
        "code_version": recipe.code_version,
        "n_chars": len(caption),
        "n_words": len(caption.split()),
        "n_tokens_clip": None,
        "n_tokens_t5": None,
        "created_at": stamp.created_at,
        "run_id": stamp.run_id,
    }
