"""StableDiffusionPipeline: a UNet over one CLIP text encoder (Stable Diffusion 1.x and 2.x)."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from recap_assets.diffusion.families import noise_prediction
from recap_assets.diffusion.families.family import (
    Family,
    Noised,
    Text,
    TextPart,
    Tokens,
    Weighting,
)

if TYPE_CHECKING:
    import torch


class StableDiffusion(Family):
    """Predicts noise or velocity; reads the last hidden states of every position, padding too."""

    pipelines = ("StableDiffusionPipeline",)
    networks = {
        "vae": "diffusers.AutoencoderKL",
        "unet": "diffusers.UNet2DConditionModel",
        "text_encoder": "transformers.CLIPTextModel",
    }
    denoiser = "unet"
    texts: ClassVar[tuple[TextPart, ...]] = (TextPart("tokenizer", "text_encoder"),)
    lora = ("to_q", "to_k", "to_v", "to_out.0")

    @property
    def grain(self) -> int:
        """A number of latents, and the 8 that the pipeline asks for whatever its autoencoder."""
        return math.lcm(8, self.pipeline.vae_scale_factor)

    @property
    def timesteps(self) -> int:
        """The length of the schedule that the model was made with."""
        return int(self._scheduler.config.num_train_timesteps)

    def joints(self) -> dict[str, tuple[int, int]]:
        """The channels of latents, the width of the encoders' states."""
        encoders = [getattr(self.pipeline, part.encoder) for part in self.texts]
        width = sum(encoder.config.hidden_size for encoder in encoders)
        return {
            "latent channels": self._latent_channels(),
            "text width": (width, self.network.config.cross_attention_dim),
        }

    def encode_texts(self, tokens: Tokens) -> Text:
        """`hidden` [N, L, D]."""
        return {"hidden": self._states(self.texts[0], tokens).last_hidden_state}

    def noised(
        self,
        latents: torch.Tensor,
        noise: torch.Tensor,
        uniform: torch.Tensor,
        weighting: Weighting,
    ) -> Noised:
        """By the DDPM schedule; all time steps are drawn alike."""
        return noise_prediction.noised(
            self._scheduler, latents, noise, uniform, weighting.snr_gamma
        )

    def predict(self, noisy: torch.Tensor, times: torch.Tensor, text: Text) -> torch.Tensor:
        """Noise or velocity."""
        return self.network(noisy, times, encoder_hidden_states=text["hidden"]).sample

    @cached_property
    def _scheduler(self) -> Any:
        return noise_prediction.training_scheduler(self.pipeline.scheduler)
