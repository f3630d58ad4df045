"""The files of a model folder that fine-tuning does not change: tokenizer, processor, template.

They are kept as they are: processors of chat models also read videos, by libraries that a machine
which captions pictures need not have, and without those they cannot be loaded and saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_KINDS = frozenset({".json", ".jinja", ".txt", ".model"})
# Those that are written with the weights, and this project's own.
_WRITTEN = ("config.json", "generation_config.json", "recap.json", "adapter_config.json")


@dataclass(frozen=True)
class Kept:
    """Files by their names."""

    files: Mapping[str, bytes]

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Those of a folder, in memory: the folder may go before the model does."""
        found = (one for one in sorted(folder.iterdir()) if one.suffix in _KINDS)
        named = [one for one in found if one.name not in _WRITTEN]
        return cls({one.name: one.read_bytes() for one in named if ".index." not in one.name})

    def write(self, folder: Path) -> None:
        """Put them into a folder."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
