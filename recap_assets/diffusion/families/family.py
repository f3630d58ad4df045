"""What every kind of text-to-image pipeline can do, and what training and sampling need of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import torch

#: Token ids of N texts, int64 [N, L] by the name of the text encoder that reads them.
Tokens = dict[str, "torch.Tensor"]
#: What the denoiser reads of N texts, by names of the family's own; first dimension N.
Text = dict[str, "torch.Tensor"]


class TextPart(NamedTuple):
    """A text encoder of a pipeline: the attributes that hold it, and whether it may be trained."""

    tokenizer: str
    encoder: str
    trainable: bool


class Noised(NamedTuple):
    """What a training step shows and asks for, of N pictures.

    noisy: latents with noise, float32 [N, C, h, w]; times: as the denoiser takes them, [N];
    target: what it should say, as `noisy`; weight: of each picture's loss, float32 [N].
    """

    noisy: torch.Tensor
    times: torch.Tensor
    target: torch.Tensor
    weight: torch.Tensor


class Family(ABC):
    """A loaded pipeline of one kind.

    pipelines: the class names in model_index.json that it serves.
    denoiser: the pipeline's attribute that predicts, `unet` or `transformer`.
    texts: its text encoders, in the order in which it reads them.
    """

    pipelines: ClassVar[tuple[str, ...]]
    denoiser: ClassVar[str]
    texts: ClassVar[tuple[TextPart, ...]]

    pipeline: Any

    @property
    @abstractmethod
    def resolution(self) -> int:
        """Side in pixels of the square pictures that the model was made for."""

    @property
    @abstractmethod
    def longest(self) -> int:
        """The most tokens of a caption, start and end included, of the encoder with the longest
        context; what other encoders cannot read is cut for them."""

    @abstractmethod
    def encode_pictures(self, pictures: np.ndarray) -> torch.Tensor:
        """Scaled latents (the posterior's mode), float32 [N, C, h, w], of uint8 [N, S, S, 3]."""

    @abstractmethod
    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Padded tokens for every text encoder, on the CPU."""

    @abstractmethod
    def encode_texts(self, tokens: Tokens) -> Text:
        """What the denoiser reads; gradients flow into encoders that are trained."""

    @abstractmethod
    def noised(self, latents: torch.Tensor, noise: torch.Tensor, uniform: torch.Tensor) -> Noised:
        """The training target for latents and noise float32 [N, C, h, w].

        `uniform` float64 [N] in [0, 1) is the draw that decides each picture's time step.
        """

    @abstractmethod
    def predict(self, noisy: torch.Tensor, times: torch.Tensor, text: Text) -> torch.Tensor:
        """What the denoiser says, as `Noised.target`."""

    @abstractmethod
    def sample(
        self, prompts: Sequence[str], steps: int, guidance: float, generators: Sequence[Any]
    ) -> np.ndarray:
        """Pictures uint8 [N, S, S, 3] for the prompts, one generator each for its noise."""
