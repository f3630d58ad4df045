"""The loss of some pictures: how far the denoiser is from what the family asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.feed import MicroBatch

if TYPE_CHECKING:
    import torch

    from recap_assets.diffusion.texts import Texts


class Objective:
    """Weighted mean squared error of the family's target, each picture's mean first."""

    def __init__(self, family: Family, texts: Texts, precision: str) -> None:
        self._family, self._texts = family, texts
        self._half = precision == "bf16"

    def __call__(self, part: MicroBatch) -> torch.Tensor:
        """The mean loss over the pictures of `part`, float32, a tensor without dimensions.

        With bf16 the networks run under autocast, the error is taken in float32.
        """
        import torch

        device = self._family.device
        latents, noise, uniform = (
            x.to(device, non_blocking=True) for x in (part.latents, part.noise, part.uniform)
        )
        shown = self._family.noised(latents, noise, uniform)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._half):
            text = self._texts.encoded(part.texts)
            predicted = self._family.predict(shown.noisy, shown.times, text)
        errors = (predicted.float() - shown.target).square().flatten(1)
        return (errors * shown.weight[:, None]).mean()
