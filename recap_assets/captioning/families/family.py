"""What every kind of captioner can do, and what the loops that caption and tune need to know of it.

A picture goes three ways apart, so that each is done once: `Reader` (decoded pixels to arrays, in
worker processes), `encode` (what depends on the picture alone, shared by all styles and candidates)
and `prime` (what depends on the prompt too, up to the first token to be chosen). From there on
`decode` chooses tokens, the same loop for every family.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from PIL import Image

from recap_assets.experiment.captioner_settings import Captioner as Settings

if TYPE_CHECKING:
    import torch

#: What a model reads of N pictures, by the names of its arguments. CPU tensors.
Inputs = dict[str, "torch.Tensor"]
#: What a family made of N pictures; the loops only hand it on to `prime`.
Memory = Any


class Reader(Protocol):
    """Makes `Inputs` of RGB pictures of any size. Picklable, without the model and without torch
    modules: it runs in processes that only decode."""

    def __call__(self, pictures: Sequence[Image.Image]) -> Inputs:
        """What the model's own image processor makes of them; uint8 where it can be."""


class Decoding(ABC):
    """R rows that are being written, each with the keys and values of its picture and prompt.

    prompt: the tokens before the caption, int64 [R, L], left-padded with `pad`; logits processors
        such as a repetition penalty look at them as `generate` of transformers does.
    logits: of each row's next token, [R, V].
    """

    prompt: torch.Tensor
    logits: torch.Tensor

    @abstractmethod
    def step(self, tokens: torch.Tensor) -> None:
        """Append a token to each row, int64 [R], and renew `logits`."""

    @abstractmethod
    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these rows only, int64 [K] ascending; the others are done."""


class Family(ABC):
    """A loaded captioner of one kind, in evaluation mode.

    architectures: the model classes of transformers that it serves, as config.json names them.
    parts: what may be trained (`image_encoder`, `text_decoder`), and its modules' dotted names.
    """

    architectures: ClassVar[tuple[str, ...]]
    parts: ClassVar[Mapping[str, tuple[str, ...]]]

    model: Any
    tokenizer: Any
    #: Tokens that end a caption.
    ends: frozenset[int]
    pad: int
    reader: Reader

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, settings: Settings) -> Self:
        """From a checked local folder, on the CPU. May raise what transformers raises."""

    @abstractmethod
    def encode(self, inputs: Inputs) -> Memory:
        """What the image encoder makes of N pictures, whatever the prompt. Gradients flow."""

    @abstractmethod
    def prime(self, memory: Memory, at: torch.Tensor, prompts: Sequence[str]) -> Decoding:
        """Rows ready for their first token: row r asks `prompts[r]` of picture `at[r]`, int64 [R].

        Rows of one style, several styles or several candidates may stand side by side; equal
        pictures are not encoded again.
        """

    @abstractmethod
    def loss(
        self, inputs: Inputs, at: Sequence[int], prompts: Sequence[str], captions: Sequence[str]
    ) -> torch.Tensor:
        """Mean nats per caption token (end token included): row r says `captions[r]` of picture
        `at[r]` when asked `prompts[r]`. Picture and prompt are not learned."""

    @abstractmethod
    def room(self, prompt: str) -> int | None:
        """The most tokens of a caption after this prompt; None where nothing limits it."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what `from_pretrained` of transformers reads: weights, tokenizer, processor."""

    def text(self, tokens: Sequence[int]) -> str:
        """The caption that tokens say, without special tokens."""
        said: str = self.tokenizer.decode(list(tokens), skip_special_tokens=True)
        return said.strip()
