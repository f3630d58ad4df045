"""How samples are read: which text is the caption, what a picture may weigh."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Self

from recap_assets.experiment.config import Dataset
from recap_assets.experiment.fingerprint import digest
from recap_assets.images.decode import MAX_PIXELS

# Raise it when the same shard would give other rows.
_VERSION = 3


@dataclass(frozen=True)
class Reading:
    """The settings that decide the rows of an index.

    caption, url: where a sample's text and address lie: a member's extension ("txt"), a field of
        its JSON member ("json.alt") or a column of the data set's table ("TEXT").
    lines: whether each line of a text member is a caption of its own.
    near_duplicates: whether a perceptual hash is computed.
    """

    caption: str = "txt"
    url: str | None = "json.url"
    max_pixels: int = MAX_PIXELS
    lines: bool = False
    near_duplicates: bool = False

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """The reading that a recap.yaml asks for."""
        return cls(
            dataset.caption,
            dataset.url,
            dataset.max_pixels,
            dataset.lines,
            dataset.near_duplicates is not None,
        )

    def digest(self) -> str:
        """64 hex digits that change when other rows would be made of the same shard."""
        return digest({**asdict(self), "version": _VERSION})
