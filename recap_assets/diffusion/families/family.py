"""What every kind of text-to-image pipeline can do, and what training and sampling need of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np

from recap_assets.diffusion.families import autoencoder
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.quiet import quiet

if TYPE_CHECKING:
    import torch

#: Token ids of N texts, int64 [N, L] by the attribute of the text encoder that reads them.
Tokens = dict[str, "torch.Tensor"]
#: What the denoiser reads of N texts, by names of the family's own; first dimension N.
Text = dict[str, "torch.Tensor"]


class TextPart(NamedTuple):
    """A text encoder of a pipeline.

    tokenizer, encoder: the attributes that hold it. trainable: whether an arm may train it.
    words: the class of its tokenizer. limit: the most tokens that the pipeline gives it, where that
    is not the tokenizer's own limit.
    """

    tokenizer: str
    encoder: str
    trainable: bool = True
    words: str = "CLIPTokenizer"
    limit: int | None = None


class Weighting(NamedTuple):
    """Which time steps training draws more often, and which it weighs more; see `T2I`.

    A family takes what applies to it: `snr_gamma` where noise or velocity is predicted, `timesteps`
    where flow is matched.
    """

    snr_gamma: float | None = None
    timesteps: Literal["uniform", "logit_normal"] = "logit_normal"


class Noised(NamedTuple):
    """What a training step shows and asks for, of N pictures.

    noisy: latents with noise, float32 [N, C, h, w]; times: as the denoiser takes them, [N];
    target: what it should say, as `noisy`; weight: of each picture's loss, float32 [N], or None
    where all weigh alike.
    """

    noisy: torch.Tensor
    times: torch.Tensor
    target: torch.Tensor
    weight: torch.Tensor | None


class Family(ABC):
    """A loaded pipeline of one kind.

    pipelines: the class names in model_index.json that it serves.
    networks: the pipeline's attributes that have weights, and their classes ("library.Class").
    optional: attributes that a model may lack, which model_index.json then says.
    denoiser: the attribute that predicts, `unet` or `transformer`.
    texts: its text encoders, in the order in which it reads them.
    lora: names of the denoiser's layers that LoRA adapts, as in diffusers' training scripts.
    """

    pipelines: ClassVar[tuple[str, ...]]
    networks: ClassVar[dict[str, str]]
    optional: ClassVar[tuple[str, ...]] = ()
    denoiser: ClassVar[str]
    texts: ClassVar[tuple[TextPart, ...]]
    lora: ClassVar[tuple[str, ...]]

    def __init__(self, pipeline: Any, resolution: int | None = None) -> None:
        """`resolution` overrides the size in pixels that the model was made for."""
        self.pipeline, self._resolution = pipeline, resolution

    @property
    def resolution(self) -> int:
        """Side in pixels of the square pictures that it is trained on and draws."""
        size = self.network.config.sample_size  # of a side, or of both
        side = size if isinstance(size, int) else max(size)
        return self._resolution or int(side * self.pipeline.vae_scale_factor)

    @property
    @abstractmethod
    def grain(self) -> int:
        """What `resolution` has to be a multiple of, in pixels, for the pipeline to draw it."""

    @abstractmethod
    def joints(self) -> dict[str, tuple[int, int]]:
        """What has to be alike in other parts and in the denoiser, theirs and its own number."""

    @property
    def network(self) -> Any:
        """The denoiser itself."""
        return getattr(self.pipeline, self.denoiser)

    @property
    def device(self) -> torch.device:
        """Where the denoiser is."""
        # Its own `device` walks over all modules, at every step.
        device: torch.device = next(self.network.parameters()).device
        return device

    @classmethod
    def reader(cls, parts: Container[str]) -> TextPart:
        """The text encoder with the longest context of those in `parts`."""
        return max((t for t in cls.texts if t.encoder in parts), key=lambda t: t.limit or 0)

    @classmethod
    def absent(cls, parts: Container[str]) -> list[str]:
        """The attributes of the text encoders that are not in `parts`."""
        lacking = [text for text in cls.texts if text.encoder not in parts]
        return [name for text in lacking for name in (text.encoder, text.tokenizer)]

    @property
    def present(self) -> list[TextPart]:
        """The text encoders that this model has."""
        return [part for part in self.texts if getattr(self.pipeline, part.encoder) is not None]

    @property
    def longest(self) -> int:
        """The most tokens of a caption, start and end included, of the encoder with the longest
        context; what other encoders cannot read is cut for them."""
        return self._context(self.reader(self.modules()))

    @property
    @abstractmethod
    def timesteps(self) -> int | None:
        """How many time steps a draw chooses among; None where any time in [0, 1) may be drawn.

        Raises:
            UserError: if the model predicts something that nothing here trains.
        """

    def encode_pictures(self, pictures: np.ndarray) -> torch.Tensor:
        """Scaled latents (the posterior's mode), float32 [N, C, h, w], of uint8 [N, S, S, 3]."""
        return self._scaled(autoencoder.encode(self.pipeline.vae, pictures))

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Tokens for every text encoder, cut and padded to its own context, on the CPU."""
        return {
            part.encoder: getattr(self.pipeline, part.tokenizer)(
                list(texts),
                padding="max_length",
                truncation=True,
                max_length=self._context(part),
                return_tensors="pt",
            ).input_ids
            for part in self.present
        }

    @abstractmethod
    def encode_texts(self, tokens: Tokens) -> Text:
        """What the denoiser reads; gradients flow into encoders that are trained."""

    @abstractmethod
    def noised(
        self,
        latents: torch.Tensor,
        noise: torch.Tensor,
        uniform: torch.Tensor,
        weighting: Weighting,
    ) -> Noised:
        """The training target for latents and noise float32 [N, C, h, w].

        `uniform` float64 [N] in [0, 1) is the draw that decides each picture's time step.
        """

    @abstractmethod
    def predict(self, noisy: torch.Tensor, times: torch.Tensor, text: Text) -> torch.Tensor:
        """What the denoiser says, as `Noised.target`."""

    def modules(self) -> dict[str, torch.nn.Module]:
        """Every network that the model has, by its attribute."""
        found = {name: getattr(self.pipeline, name) for name in self.networks}
        return {name: module for name, module in found.items() if module is not None}

    def trained(self, names: Sequence[str]) -> list[str]:
        """The attributes that an arm's `train` means: the denoiser, trainable text encoders.

        Raises:
            UserError: if the model has no such weights.
        """
        told = {self.denoiser, "text_encoder"}
        for name in names:
            if name not in told:
                raise UserError(
                    f"train: {name!r} is no part of this text-to-image model; "
                    f"it has {self.denoiser} and text_encoder"
                )
        encoders = [part.encoder for part in self.texts if part.trainable]
        parts = [[self.denoiser] if name == self.denoiser else encoders for name in names]
        return [part for group in parts for part in group if part in self.modules()]

    def sample(
        self, prompts: Sequence[str], steps: int, guidance: float, generators: Sequence[Any]
    ) -> np.ndarray:
        """Pictures uint8 [N, S, S, 3] for the prompts, one generator each for its noise."""
        import torch

        with torch.inference_mode(), quiet():  # it warns of every prompt that it cuts
            images = self.pipeline(
                list(prompts),
                height=self.resolution,
                width=self.resolution,
                num_inference_steps=steps,
                guidance_scale=guidance,
                generator=list(generators),
                output_type="np",
            ).images
        return (images * 255).round().astype(np.uint8)

    def _scaled(self, latents: torch.Tensor) -> torch.Tensor:
        """Of the autoencoder's latents, what the denoiser works on: undone when it draws."""
        return latents * self.pipeline.vae.config.scaling_factor

    def _context(self, part: TextPart) -> int:
        return part.limit or int(getattr(self.pipeline, part.tokenizer).model_max_length)

    def _states(self, part: TextPart, tokens: Tokens) -> Any:
        """What a text encoder says of its tokens, the hidden states of every layer included."""
        encoder = getattr(self.pipeline, part.encoder)
        ids = tokens[part.encoder].to(encoder.device, non_blocking=True)
        return encoder(ids, output_hidden_states=True)

    def _latent_channels(self) -> tuple[int, int]:
        """Of `joints`, what every family has."""
        return self.pipeline.vae.config.latent_channels, self.network.config.in_channels
