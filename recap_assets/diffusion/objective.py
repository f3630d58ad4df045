"""The loss of some pictures: how far the denoiser is from what the family asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recap_assets.diffusion.families.family import Family, Weighting
from recap_assets.diffusion.feed import MicroBatch
from recap_assets.diffusion.settings import TrainSettings

if TYPE_CHECKING:
    import torch

    from recap_assets.diffusion.texts import Texts


class Objective:
    """Weighted mean squared error of the family's target, each picture's mean first."""

    def __init__(self, family: Family, texts: Texts, settings: TrainSettings) -> None:
        self._family, self._texts = family, texts
        self._weighting = Weighting(settings.snr_gamma, settings.timesteps)
        self._half = settings.precision == "bf16"

    def __call__(self, part: MicroBatch) -> torch.Tensor:
        """The mean loss over the pictures of `part`, float32, a tensor without dimensions.

        With bf16 the networks run under autocast, the error is taken in float32.
        """
        import torch

        device = self._family.device
        latents, noise = (x.to(device, non_blocking=True) for x in (part.latents, part.noise))
        shown = self._family.noised(latents, noise, part.uniform, self._weighting)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._half):
            text = self._texts.encoded(part.texts)
            predicted = self._family.predict(shown.noisy, shown.times, text)
        errors = (predicted.float() - shown.target).square()
        weight = shown.weight
        return (errors if weight is None else errors.flatten(1) * weight[:, None]).mean()
