"""StableDiffusion3Pipeline: flow matching by a transformer over two CLIP encoders and T5."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from recap_assets.diffusion.families import flow_matching
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

#: What the pipeline gives T5 unless it is told otherwise (`max_sequence_length`).
T5_TOKENS = 256


class StableDiffusion3(Family):
    """Predicts the flow; reads both CLIPs' last but one hidden states, then T5's, padding too.

    A model without T5 reads zeros in its place, and its context is CLIP's.
    """

    pipelines = ("StableDiffusion3Pipeline",)
    networks = {
        "vae": "diffusers.AutoencoderKL",
        "transformer": "diffusers.SD3Transformer2DModel",
        "text_encoder": "transformers.CLIPTextModelWithProjection",
        "text_encoder_2": "transformers.CLIPTextModelWithProjection",
        "text_encoder_3": "transformers.T5EncoderModel",
    }
    optional = ("text_encoder_3",)
    denoiser = "transformer"
    texts = (
        TextPart("tokenizer", "text_encoder"),
        TextPart("tokenizer_2", "text_encoder_2"),
        TextPart("tokenizer_3", "text_encoder_3", False, words="T5TokenizerFast", limit=T5_TOKENS),
    )
    lora = (
        "attn.to_q",
        "attn.to_k",
        "attn.to_v",
        "attn.to_out.0",
        "attn.add_q_proj",
        "attn.add_k_proj",
        "attn.add_v_proj",
        "attn.to_add_out",
    )

    @property
    def grain(self) -> int:
        """The side of a patch in pixels."""
        return int(self.pipeline.vae_scale_factor * self.network.config.patch_size)

    @property
    def timesteps(self) -> None:
        """Any time may be drawn."""
        return None

    def joints(self) -> dict[str, tuple[int, int]]:
        """The channels of latents, what CLIP's pooled embeddings are together, T5's width."""
        config, t5 = self.network.config, self.pipeline.text_encoder_3
        clips = (self.pipeline.text_encoder, self.pipeline.text_encoder_2)
        pooled = sum(encoder.config.projection_dim for encoder in clips)
        width = config.joint_attention_dim
        return {
            "latent channels": self._latent_channels(),
            "pooled width": (pooled, config.pooled_projection_dim),
            "text width": (width if t5 is None else t5.config.d_model, width),
        }

    def encode_texts(self, tokens: Tokens) -> Text:
        """`clip` [N, L, D1 + D2], `pooled` [N, P1 + P2] and, with T5, `t5` [N, 256, D3]."""
        import torch

        clips = [self._states(part, tokens) for part in self.texts[:2]]
        text = {
            "clip": torch.cat([output.hidden_states[-2] for output in clips], dim=-1),
            "pooled": torch.cat([output.text_embeds for output in clips], dim=-1),
        }
        if self.pipeline.text_encoder_3 is not None:
            text["t5"] = self._states(self.texts[2], tokens).last_hidden_state
        return text

    def noised(
        self,
        latents: torch.Tensor,
        noise: torch.Tensor,
        uniform: torch.Tensor,
        weighting: Weighting,
    ) -> Noised:
        """By the scheduler's shifted sigmas."""
        return flow_matching.noised(self._scheduler, latents, noise, uniform, weighting.timesteps)

    def predict(self, noisy: torch.Tensor, times: torch.Tensor, text: Text) -> torch.Tensor:
        """Noise - picture."""
        return self.network(
            hidden_states=noisy,
            timestep=times,
            encoder_hidden_states=self._joined(text),
            pooled_projections=text["pooled"],
        ).sample

    def _scaled(self, latents: torch.Tensor) -> torch.Tensor:
        config = self.pipeline.vae.config
        return (latents - config.shift_factor) * config.scaling_factor

    def _joined(self, text: Text) -> torch.Tensor:
        """CLIP's states, zeros up to the width of T5's, and then T5's: [N, L + 256, D]."""
        import torch

        clip, width = text["clip"], self.network.config.joint_attention_dim
        wide = torch.nn.functional.pad(clip, (0, width - clip.shape[-1]))
        t5 = text.get("t5")
        if t5 is None:
            t5 = wide.new_zeros(len(wide), T5_TOKENS, width)
        return torch.cat([wide, t5], dim=-2)

    @cached_property
    def _scheduler(self) -> Any:
        patches = (self.resolution // self.grain) ** 2
        return flow_matching.training_scheduler(self.pipeline.scheduler, patches)
