"""Small indexes and recipes that the tests of this room share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from recap_assets.captions.recipe import Recipe
from recap_assets.captions.rows import Stamp
from recap_assets.images.schema import INDEX


def sha_of(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def index_row(content: str, **changes: Any) -> dict[str, Any]:
    """A usable index row of a picture whose bytes are `content`."""
    sha = sha_of(content)
    row: dict[str, Any] = {
        "uid": sha[:32],
        "shard": "00000",
        "key": f"key-{content}",
        "image_sha256": sha,
        "ext": "png",
        "offset": 512,
        "size": 10,
        "width": 8,
        "height": 8,
        "alt": f"alt {content}",
        "url": None,
        "extra": "{}",
        "status": "ok",
        "error": None,
    }
    return row | changes


def index_of(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=INDEX)


def make_recipe(**changes: Any) -> Recipe:
    fields: dict[str, Any] = {
        "style": "long",
        "model_id": "base:captioner",
        "model_revision": None,
        "adapter_sha": "a" * 64,
        "prompt_id": "long",
        "prompt": "long caption:",
        "sampling": {"max_tokens": 72, "seed": 0},
        "code_version": "1",
    }
    return Recipe(**(fields | changes))


def make_stamp(run_id: str, minute: int = 0) -> Stamp:
    """Counts a token per word and the two ends."""
    created = datetime(2026, 1, 2, 3, minute, tzinfo=UTC)
    return Stamp(run_id, created, lambda texts: [len(text.split()) + 2 for text in texts])
