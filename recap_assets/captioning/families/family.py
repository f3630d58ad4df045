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
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recap_assets.experiment.captioner_settings import Captioner as Settings

if TYPE_CHECKING:
    import torch

#: What a model reads of N pictures, by the names of its arguments. Arrays, not tensors: they pass
#: between processes, and reading them needs no torch.
Inputs = dict[str, NDArray[Any]]
#: What a family made of N pictures; the loops only hand it on to `prime`.
Memory = Any


class Reader(ABC):
    """Makes `Inputs` of RGB pictures of any size. Picklable, without the model and without torch
    modules: it runs in processes that only decode."""

    @abstractmethod
    def __call__(self, picture: Image.Image) -> Inputs:
        """`Inputs` of one picture (N = 1), as the model's own image processor makes them; values
        uint8 where the device can scale them to the same (`pixels`)."""

    def collate(self, read: Sequence[Inputs]) -> Inputs:
        """`Inputs` of several pictures from those of each one, in order; joined along the first
        axis unless a family has to pad them first."""
        return {name: np.concatenate([one[name] for one in read]) for name in read[0]}


class Decoding(ABC):
    """R rows that are being written, each with the keys and values of its picture and prompt.

    prompts: for each row the tokens before its caption, as `generate` of transformers sees them
        (for an encoder-decoder the decoder's start; for others what stands for the picture too),
        without padding; logits processors such as a repetition penalty look at them.
    logits: of each row's next token, [R, V].
    """

    prompts: Sequence[Sequence[int]]
    logits: torch.Tensor

    @abstractmethod
    def step(self, tokens: torch.Tensor) -> None:
        """Append a token to each row, int64 [R], and renew `logits`."""

    @abstractmethod
    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these rows only, int64 [K] ascending; the others are done.

        `prompts` stays as it was, `logits` need not be right before the next `step`.
        """


class Family(ABC):
    """A loaded captioner of one kind, in evaluation mode.

    architectures: the model classes of transformers that it serves, as config.json names them.
    parts: what may be trained (`image_encoder`, `text_decoder`), and its modules' dotted names.
    text_only: whether `prime` answers prompts without a picture.
    goes_on: whether a caption goes on its prompt, which then means nothing to a model not tuned.
    """

    architectures: ClassVar[tuple[str, ...]]
    parts: ClassVar[Mapping[str, tuple[str, ...]]]
    text_only: ClassVar[bool] = False
    goes_on: ClassVar[bool] = False

    model: Any
    tokenizer: Any
    #: Tokens that end a caption.
    ends: frozenset[int]
    reader: Reader

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, settings: Settings) -> Self:
        """From a checked local folder, on the CPU. May raise what transformers raises, and
        ValueError with a reason in one line; `loading` has what families share."""

    @abstractmethod
    def encode(self, inputs: Inputs) -> Memory:
        """What the image encoder makes of N pictures, whatever the prompt. Gradients flow."""

    @abstractmethod
    def prime(
        self, memory: Memory, at: torch.Tensor | None, prompts: Sequence[str], limit: int
    ) -> Decoding:
        """Rows ready for their first token: row r asks `prompts[r]` of picture `at[r]`, int64 [R]
        on the CPU, ascending. At most `limit` tokens will be appended to a row.

        Rows of one style, several styles or several candidates may stand side by side; what they
        share is not computed again, and a row is the same whatever stands beside it. Without a
        picture (`text_only`) `memory` and `at` are None.
        """

    @abstractmethod
    def loss(
        self, inputs: Inputs, at: Sequence[int], prompts: Sequence[str], captions: Sequence[str]
    ) -> torch.Tensor:
        """Mean nats per caption token (end token included): row r says `captions[r]` of picture
        `at[r]` when asked `prompts[r]`. Picture and prompt are not learned.

        A caption too long for the model loses its tail, end token included, so that a cut caption
        does not teach to stop.
        """

    @abstractmethod
    def room(self, prompt: str) -> int | None:
        """The most tokens of a caption after this prompt; None where nothing limits it."""

    @abstractmethod
    def save(self, folder: Path, *, half: bool = False) -> None:
        """Write what `from_pretrained` of transformers reads: weights (16-bit ones if `half`),
        tokenizer, processor."""

    def release(self) -> None:  # noqa: B027  most families keep nothing
        """Give up the memory that is kept from batch to batch; it was asked for elsewhere."""

    @property
    def generation(self) -> Any:
        """The GenerationConfig that `generate` of transformers would follow."""
        return self.model.generation_config

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        found: torch.device = self.model.device
        return found

    def text(self, tokens: Sequence[int]) -> str:
        """The caption that tokens say, without special tokens."""
        said: str = self.tokenizer.decode(list(tokens), skip_special_tokens=True)
        return said.strip()
