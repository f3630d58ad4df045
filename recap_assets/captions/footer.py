"""What a shard's caption file says of itself, read without its rows."""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl

from recap_assets.captions.content import content_digest
from recap_assets.captions.recipe import Recipe

CONTENT = ("uid", "caption", "status")


@dataclass(frozen=True)
class Footer:
    """The facts in a caption file's metadata.

    recipe: its full digest; twelve digits of it name the folder.
    content: digest over (uid, caption, status) of the rows in any order.
    pictures: digest of the index rows that the captions are of, "" if nobody said.
    counted: digest of the text encoders that the tokens are counted for, "" if nobody said.
    rows: how many. statuses: how many have each status that occurs.
    computed, seconds: how many rows were written anew by the run that wrote the file, and how long
        their captioning took; what a plan estimates time by.
    """

    recipe: str
    content: str
    pictures: str
    counted: str
    rows: int
    statuses: dict[str, int]
    computed: int = 0
    seconds: float = 0.0

    def metadata(self) -> dict[str, str]:
        """As text for the file's metadata."""
        return {
            "recipe": self.recipe,
            "content": self.content,
            "pictures": self.pictures,
            "counted": self.counted,
            "rows": str(self.rows),
            "statuses": json.dumps(self.statuses),
            "computed": str(self.computed),
            "seconds": repr(self.seconds),
        }

    def same_rows(self, other: Footer | None) -> bool:
        """Whether both say the same of the rows, whatever their writing took."""
        return other is not None and self._rows() == other._rows()

    def _rows(self) -> tuple[object, ...]:
        return self.recipe, self.content, self.pictures, self.counted, self.statuses


def of(
    rows: pl.DataFrame,
    recipe: Recipe,
    pictures: str = "",
    counted: str = "",
    computed: int = 0,
    seconds: float = 0.0,
) -> Footer:
    """The footer of a file with these rows."""
    counts = rows["status"].value_counts().sort("status").rows()
    return Footer(
        recipe=recipe.digest,
        content=content_digest(rows, CONTENT),
        pictures=pictures,
        counted=counted,
        rows=rows.height,
        statuses={str(status): int(count) for status, count in counts},
        computed=computed,
        seconds=seconds,
    )


def parse(metadata: dict[str, str]) -> Footer | None:
    """The footer in a file's metadata, or None if this is no caption file."""
    try:
        return Footer(
            recipe=metadata["recipe"],
            content=metadata["content"],
            pictures=metadata["pictures"],
            counted=metadata["counted"],
            rows=int(metadata["rows"]),
            statuses=json.loads(metadata["statuses"]),
            computed=int(metadata["computed"]),
            seconds=float(metadata["seconds"]),
        )
    except (KeyError, ValueError):
        return None
