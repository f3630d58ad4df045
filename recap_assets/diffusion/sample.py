"""Draws pictures for prompts; the same prompt and seed starts from the same noise in every arm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from recap_assets.experiment.fingerprint import seed as seed_of
from recap_assets.experiment.quiet import quiet

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline


def sample(
    pipeline: StableDiffusionPipeline,
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
        with torch.inference_mode(), quiet():  # it warns of every prompt that it cuts
            images = pipeline(
                [text for _, text, _ in part],
                num_inference_steps=steps,
                guidance_scale=guidance,
                generator=generators,
                output_type="np",
            ).images
        done += len(part)
        yield from (images * 255).round().astype(np.uint8)
        if report:
            report(done)
