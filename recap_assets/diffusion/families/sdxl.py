"""StableDiffusionXLPipeline: a UNet over two CLIP text encoders and a pooled embedding."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from recap_assets.diffusion.families.family import Text, TextPart, Tokens
from recap_assets.diffusion.families.stable_diffusion import StableDiffusion

if TYPE_CHECKING:
    import torch

#: Height and width of the original, top and left of the crop, height and width: in pictures' sides.
_SIZES = (1, 1, 0, 0, 1, 1)


class StableDiffusionXL(StableDiffusion):
    """Predicts noise or velocity; reads both encoders' last but one hidden states.

    Every picture is told to have the size that it is trained at, and not to be cropped: what the
    pipeline tells of the pictures that it draws.
    """

    pipelines = ("StableDiffusionXLPipeline",)
    networks = {
        "vae": "diffusers.AutoencoderKL",
        "unet": "diffusers.UNet2DConditionModel",
        "text_encoder": "transformers.CLIPTextModel",
        "text_encoder_2": "transformers.CLIPTextModelWithProjection",
    }
    texts = (
        TextPart("tokenizer", "text_encoder"),
        TextPart("tokenizer_2", "text_encoder_2"),
    )

    def joints(self) -> dict[str, tuple[int, int]]:
        """Also what the pooled embedding and the sizes are together."""
        config = self.network.config
        pooled = self.pipeline.text_encoder_2.config.projection_dim
        added = pooled + len(_SIZES) * (config.addition_time_embed_dim or 0)
        return {
            **super().joints(),
            "pooled width": (added, config.projection_class_embeddings_input_dim or 0),
        }

    def encode_texts(self, tokens: Tokens) -> Text:
        """`hidden` [N, L, D1 + D2] and `pooled` [N, P] of the second encoder.

        The empty prompt gives zeros where the model says so (`force_zeros_for_empty_prompt`):
        guidance starts from zeros, so a dropped prompt has to be trained as zeros.
        """
        import torch

        outputs = [self._states(part, tokens) for part in self.texts]
        hidden = torch.cat([output.hidden_states[-2] for output in outputs], dim=-1)
        pooled = outputs[-1].text_embeds
        if self.pipeline.config.force_zeros_for_empty_prompt:
            empty = self._is_empty(tokens).to(hidden.device, non_blocking=True)
            hidden = hidden.masked_fill(empty[:, None, None], 0)
            pooled = pooled.masked_fill(empty[:, None], 0)
        return {"hidden": hidden, "pooled": pooled}

    def predict(self, noisy: torch.Tensor, times: torch.Tensor, text: Text) -> torch.Tensor:
        """Noise or velocity."""
        added = {"text_embeds": text["pooled"], "time_ids": self._sizes(len(noisy))}
        return self.network(
            noisy, times, encoder_hidden_states=text["hidden"], added_cond_kwargs=added
        ).sample

    def _scaled(self, latents: torch.Tensor) -> torch.Tensor:
        """Some models have a mean and a deviation for each channel."""
        import torch

        config = self.pipeline.vae.config
        if config.latents_mean is None or config.latents_std is None:
            return super()._scaled(latents)
        mean, deviation = (
            torch.tensor(told).view(1, -1, 1, 1)
            for told in (config.latents_mean, config.latents_std)
        )
        return (latents - mean) * config.scaling_factor / deviation

    def _sizes(self, count: int) -> torch.Tensor:
        """What `_SIZES` says of `count` pictures, [N, 6]."""
        import torch

        sizes = torch.tensor([_SIZES], dtype=torch.float32) * self.resolution
        return sizes.repeat(count, 1).to(self.device, non_blocking=True)

    def _is_empty(self, tokens: Tokens) -> torch.Tensor:
        """Bool [N]: which texts are the empty prompt."""
        import torch

        alike = [(ids == self._empty[name]).all(1) for name, ids in tokens.items()]
        return torch.stack(alike).all(0)

    @cached_property
    def _empty(self) -> Tokens:
        return self.tokenize([""])
