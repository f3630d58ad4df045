"""Latents of many files as one sequence: the files are mapped, and a row is read when asked for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recap_assets.diffusion.latents import read

if TYPE_CHECKING:
    import torch


class MappedLatents:
    """The latents of all pictures in `files` that are not `without`, each once, sorted by uid.

    A picture in several files is read from the last of them. Raises as `latents.read`.
    """

    def __init__(self, files: Iterable[Path], without: set[str]) -> None:
        self._files: list[torch.Tensor] = []
        places: dict[str, tuple[int, int]] = {}
        for number, file in enumerate(files):
            uids, latents = read(file)
            self._files.append(latents)
            places |= {uid: (number, row) for row, uid in enumerate(uids) if uid not in without}
        self.uids = sorted(places)
        self._places = np.array([places[uid] for uid in self.uids], dtype=np.int64).reshape(-1, 2)

    def __len__(self) -> int:
        return len(self.uids)

    def __getitem__(self, rows: np.ndarray) -> torch.Tensor:
        """The latents float32 [n, C, h, w] of some rows, int [n]."""
        import torch

        places = self._places[rows].tolist()
        return torch.stack([self._files[file][row] for file, row in places])
