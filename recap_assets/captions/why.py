"""Why a caption has to be written: what differs between now and the rows that the store has."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import polars as pl

from recap_assets.captions.plan import Refresh
from recap_assets.captions.recipe import Recipe
from recap_assets.captions.store import CaptionStore

NEW = "new picture"
IMAGE = "image changed"
TEXT = "alt-text changed"
PROMPT, CAPTIONER, SETTINGS, CODE = (
    f"{what} changed" for what in ("prompt", "captioner", "settings", "code")
)
ERROR = "error to retry"
ASKED = "asked for again"

_COLUMNS = (
    "uid",
    "source_key",
    "prompt_sha",
    "adapter_sha",
    "model_id",
    "model_revision",
    "sampling",
    "code_version",
    "created_at",
)


def reasons(
    store: CaptionStore, recipe: Recipe, shard: str, todo: pl.DataFrame, refresh: Refresh
) -> Counter[str]:
    """How many of the index rows `todo` of a shard are to be captioned for which reason.

    A picture that the store has with this recipe is done again because somebody asked, or because
    its alt-text is shown and changed. Else its
    newest row of another recipe tells what changed; the first that holds of prompt, captioner,
    settings (of decoding), code. Else another picture had its key in this shard, or it is new.

    Raises:
        UserError: if the shard's own rows cannot be read.
    """
    own = store.read(recipe, shard)
    mine = set() if own is None else set(own["uid"])
    others = _others(store.path(recipe, shard))
    by_uid = {row["uid"]: row for row in others.iter_rows(named=True)}
    keys = set(others["source_key"]) | (set() if own is None else set(own["source_key"]))
    found: Counter[str] = Counter()
    for uid, key in todo.select("uid", "key").iter_rows():
        if uid in mine:
            found[_again(recipe, refresh)] += 1
        elif uid in by_uid:
            found[_difference(recipe, by_uid[uid])] += 1
        else:
            found[IMAGE if key in keys else NEW] += 1
    return found


def _again(recipe: Recipe, refresh: Refresh) -> str:
    """Why a picture that the store has with this recipe is done again."""
    if refresh == "stale" and recipe.shows_alt:
        return TEXT
    return ERROR if refresh == "errors" else ASKED


def _others(current: Path) -> pl.DataFrame:
    """What other recipes of the style have of the shard, the newest row of each picture last."""
    files = current.parents[1].glob(f"recipe=*/{current.name}")
    frames = [
        pl.read_parquet(file, columns=list(_COLUMNS), hive_partitioning=False)
        for file in files
        if file != current
    ]
    schema = {name: pl.String() for name in _COLUMNS} | {"created_at": pl.Datetime("us", "UTC")}
    nothing = pl.DataFrame(schema=schema)
    return pl.concat([nothing, *frames], how="vertical_relaxed").sort("created_at")


def _difference(recipe: Recipe, row: dict[str, object]) -> str:
    if row["prompt_sha"] != recipe.prompt_sha:
        return PROMPT
    weights = recipe.adapter_sha or (recipe.model_id, recipe.model_revision)
    if weights != (row["adapter_sha"] or (row["model_id"], row["model_revision"])):
        return CAPTIONER
    return SETTINGS if row["sampling"] != recipe.sampling_json else CODE
