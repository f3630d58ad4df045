"""Draws pictures for prompts; the same prompt and seed starts from the same noise in every arm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from recap_assets.experiment.fingerprint import seed as seed_of

if TYPE_CHECKING:
    from recap_assets.diffusion.families.family import Family


def sample(
    family: Family,
    prompts: Sequence[tuple[str, str, int]],
    steps: int,
    guidance: float,
    batch: int,
    seed: int,
    report: Callable[[int], None] | None = None,
) -> Iterator[np.ndarray]:
    """One picture uint8 [S, S, 3] per (prompt id, prompt, sample number), in their order.

    The starting noise is decided by (seed, prompt id, sample number) alone, so that neither batch
    size nor the other prompts change a picture's start. `report` hears how many are done.
    """
    import torch

    done = 0
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        generators = [
            torch.Generator().manual_seed(seed_of("sample", seed, prompt, number))
            for prompt, _, number in part
        ]
        done += len(part)
        yield from family.sample([text for _, text, _ in part], steps, guidance, generators)
        if report:
            report(done)
