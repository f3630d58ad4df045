"""What an export says of itself: how its captions were made, and of every single one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from recap_assets.captions.export.selection import Counts
from recap_assets.captions.export.shard import Row
from recap_assets.captions.recipe import Recipe

#: Of a caption row, what does not differ between runs that give the same caption.
_KEPT = ("prompt_id", "prompt_sha", "seed", "code_version", "row_key", "n_tokens_clip")


@dataclass(frozen=True)
class About:
    """The captions exported.

    recipes: how those of each style were made.
    chosen: which caption a picture is shown with, in words; None where none is chosen.
    simulated: whether pictures and human captions come from a program.
    """

    format: str
    recipes: Mapping[str, Recipe]
    counts: Counts
    chosen: str | None
    simulated: bool

    def record(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "format": self.format,
            "chosen": self.chosen,
            "simulated": self.simulated,
            "styles": {style: method(its) for style, its in self.recipes.items()},
            "counts": asdict(self.counts),
        }


def method(recipe: Recipe) -> dict[str, Any]:
    """How a style's captions were made, the prompt word for word."""
    return {
        "model_id": public(recipe.model_id),
        "model_revision": recipe.model_revision,
        "adapter_sha": recipe.adapter_sha,
        "prompt": recipe.prompt,
        "sampling": recipe.sampling,
        "code_version": recipe.code_version,
        "recipe": recipe.digest,
    }


def provenance(row: Row, recipe: Recipe) -> dict[str, Any]:
    """A caption row with all that made it; times and runs are left out, for they decide nothing."""
    return {
        "caption": row["caption"],
        "status": row["status"],
        "error": row["error"],
        "model_id": public(row["model_id"]),
        "model_revision": row["model_revision"],
        "adapter_sha": row["adapter_sha"],
        "prompt": recipe.prompt,
        "sampling": json.loads(row["sampling"]),
        **{name: row[name] for name in _KEPT},
    }


def public(model_id: str) -> str:
    """A model's name; of a folder only the last part, for a card need not tell whose disk it is."""
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind(model_id)
        if path.is_absolute() or path.parts[:1] in (("~",), ("..",)):
            return path.name
    return model_id
