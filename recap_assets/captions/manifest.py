"""The exact caption set of a style: one good caption per picture, named by its content.

Two digests tell sets apart. The *version* is of the shards' footers and the held-out pictures:
cheap, and equal inputs have equal versions. The *content digest* is of (picture, caption) alone: it
names the file and is what training hashes, so a new captioner that writes the same text retrains
nothing. A pointer per version leads to the content, so a manifest is found by hash and never by
age.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from recap_assets.captions.content import content_digest
from recap_assets.captions.recipe import Recipe
from recap_assets.captions.store import CaptionStore
from recap_assets.experiment import atomic, fingerprint
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.keys import check_key

MANIFEST = pl.Schema(
    {
        "uid": pl.String(),
        "shard": pl.String(),
        "image_sha256": pl.String(),
        "caption": pl.String(),
        "n_tokens_clip": pl.Int32(),
    }
)
# Part of every version: raise it when `build` would choose other rows.
_VERSION = "1"


@dataclass(frozen=True)
class Manifest:
    """A style's caption set and what was left out of it.

    frame: `MANIFEST` columns, one row per uid, sorted by uid.
    not_ok: rows left out for their status.
    repeated: good rows left out because another shard has the picture too.
    held_out: pictures left out because evaluation uses them.
    """

    frame: pl.DataFrame
    not_ok: int
    repeated: int
    held_out: int

    @cached_property
    def content(self) -> str:
        """64 hex digits over the sorted (image_sha256, caption)."""
        return content_digest(self.frame, ("image_sha256", "caption"))


def build(
    store: CaptionStore, recipe: Recipe, shards: Sequence[str], held_out: Collection[str]
) -> Manifest:
    """The caption set that `shards` hold of `recipe`.

    Pictures whose sha256 is in `held_out` are left out, as evaluation uses them.
    A picture that several shards hold counts once, from the first shard by name that has a good
    caption.

    Raises:
        UserError: if shards lack rows, or rows cannot be read.
    """
    _footers(store, recipe, shards)
    return gather({shard: _rows(store, recipe, shard) for shard in set(shards)}, held_out)


def gather(shards: Mapping[str, pl.DataFrame], held_out: Collection[str]) -> Manifest:
    """The caption set of these rows (`MANIFEST` and status) by shard; see `build`."""
    nothing = pl.DataFrame(schema={**MANIFEST, "status": pl.String()})
    rows = pl.concat([nothing, *(shards[shard] for shard in sorted(shards))])
    good = rows.filter(pl.col("status") == "ok").drop("status")
    once = good.unique("uid", keep="first", maintain_order=True)
    seen = once.filter(~pl.col("image_sha256").is_in(sorted(held_out)))
    return Manifest(
        frame=seen.sort("uid"),
        not_ok=rows.height - good.height,
        repeated=good.height - once.height,
        held_out=once.height - seen.height,
    )


def version(
    store: CaptionStore, recipe: Recipe, shards: Sequence[str], held_out: Collection[str]
) -> str:
    """64 hex digits that decide what `build` returns, from footers alone. Raises as `build`."""
    footers = _footers(store, recipe, shards)
    return fingerprint.digest([_VERSION, footers, sorted(set(held_out))])


def path(root: Path, style: str, content: str) -> Path:
    """Where the caption set with this content digest lies."""
    return root / "manifests" / check_key("style", style) / f"{fingerprint.short(content)}.parquet"


def save(root: Path, style: str, version: str, manifest: Manifest) -> Path:
    """Write a caption set under its content digest and point its version there.

    A set that is stored with the same rows is left alone. Its name says what training sees; the
    shard and the token count of a row may change below it, as when tars are packed anew.

    Raises:
        UserError: if the disk refuses.
    """
    target = path(root, style, manifest.content)
    stored = _stored(target, manifest.content)
    if stored is None or not stored.equals(manifest.frame):
        atomic.write_parquet(target, manifest.frame, {"content": manifest.content})
    pointer = {"version": version, "content": manifest.content}
    if _pointer(root, style, version) != pointer:
        atomic.write_json(_pointer_path(root, style, version), pointer)
    return target


def lookup(root: Path, style: str, version: str) -> str | None:
    """The content digest that `version` led to, or None where no manifest of it was saved."""
    pointer = _pointer(root, style, version)
    return pointer.get("content") if pointer.get("version") == version else None


def load(root: Path, style: str, content: str) -> pl.DataFrame:
    """The rows (`MANIFEST`) of the caption set with this content digest.

    Raises:
        UserError: if it was never saved or is damaged.
    """
    target = path(root, style, content)
    stored = _stored(target, content)
    if stored is None:
        raise UserError(
            f"{target}: the caption set is missing or damaged; "
            f"run `recap run --select caption_manifest`"
        )
    return stored


def _rows(store: CaptionStore, recipe: Recipe, shard: str) -> pl.DataFrame:
    rows = store.read(recipe, shard)
    assert rows is not None, "the footers were read just before"
    return narrow(rows)


def narrow(rows: pl.DataFrame) -> pl.DataFrame:
    """Those columns of caption rows that decide a caption set."""
    return rows.select(*MANIFEST, "status")


def _footers(store: CaptionStore, recipe: Recipe, shards: Sequence[str]) -> dict[str, list[str]]:
    """What every shard's rows say, and for which text encoders they are counted."""
    found = {shard: store.footer(recipe, shard) for shard in sorted(set(shards))}
    missing = [shard for shard, footer in found.items() if footer is None]
    if missing:
        raise UserError(
            f"style {recipe.style!r}: {len(missing)} of {len(found)} shards have no captions of "
            f"the current recipe, first {missing[0]!r}; run `recap run --select recaptions`"
        )
    return {shard: [it.content, it.counted] for shard, it in found.items() if it is not None}


def _stored(target: Path, content: str) -> pl.DataFrame | None:
    """The rows at `target` if it is a whole file of this content."""
    if not target.exists():
        return None
    try:
        if atomic.read_parquet_metadata(target).get("content") != content:
            return None
        stored = pl.read_parquet(target, hive_partitioning=False)
        return stored.select(pl.col(name).cast(dtype) for name, dtype in MANIFEST.items())
    except (UserError, pl.exceptions.PolarsError, OSError):
        return None


def _pointer_path(root: Path, style: str, version: str) -> Path:
    folder = root / "manifests" / check_key("style", style) / "versions"
    return folder / f"{fingerprint.short(version)}.json"


def _pointer(root: Path, style: str, version: str) -> dict[str, str]:
    """What the pointer file says; nothing where it is missing or damaged."""
    try:
        found = json.loads(_pointer_path(root, style, version).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
