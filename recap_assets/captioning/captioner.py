"""A captioner in memory: model, tokenizer, image processor, and the digest of its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Pictures = NDArray[np.uint8]


def device() -> str:
    """The GPU if there is one, else the CPU."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@dataclass
class Captioner:
    """A model ready for use, in evaluation mode.

    `digest` names the files it was loaded from and is "" for weights that were never saved.
    `encodes` counts the pictures that went through the image encoder to be captioned.
    """

    model: Any
    tokenizer: Any
    image_processor: Any
    digest: str = ""
    encodes: int = 0

    @property
    def size(self) -> int:
        """Side in pixels of the square pictures the model reads."""
        return int(self.model.config.vision_config.image_size)

    @property
    def max_tokens(self) -> int:
        """The longest row of prefix and caption the text decoder has positions for."""
        return int(self.model.config.text_config.max_position_embeddings)

    @property
    def end(self) -> int:
        """The token that ends a caption."""
        return int(self.model.config.text_config.sep_token_id)

    def prefix(self, text: str) -> list[int]:
        """The tokens a caption of this style follows, as `generate` of transformers reads them.

        The decoder's own start token stands in the place of the tokenizer's first token, and the
        tokenizer's closing token is dropped.
        """
        ids = self.tokenizer(text)["input_ids"]
        return [int(self.model.config.text_config.bos_token_id), *ids[1:-1]]

    def pixel_values(self, pictures: Pictures) -> torch.Tensor:
        """float32 [N, 3, S, S] for pictures uint8 [N, S, S, 3], as the image processor scales them.

        Raises ValueError for pictures that are not `size` pixels square: nothing is resized here.
        """
        import torch

        if pictures.dtype != np.uint8 or pictures.shape[1:] != (self.size, self.size, 3):
            shape = f"{pictures.dtype} {pictures.shape}"
            raise ValueError(f"pictures are {shape}, not uint8 (N, {self.size}, {self.size}, 3)")
        scale, mean, std = self._scaling()
        pixels = torch.from_numpy(pictures.copy()).to(self.model.device)
        return (pixels.permute(0, 3, 1, 2) * scale - mean) / std

    def _scaling(self) -> tuple[float, torch.Tensor, torch.Tensor]:
        """What the image processor multiplies by, and its mean and deviation, [3, 1, 1] each."""
        import torch

        processor = self.image_processor
        scale = float(processor.rescale_factor) if processor.do_rescale else 1.0
        mean = processor.image_mean if processor.do_normalize else [0.0] * 3
        std = processor.image_std if processor.do_normalize else [1.0] * 3
        column = [torch.tensor(v, device=self.model.device).view(3, 1, 1) for v in (mean, std)]
        return scale, column[0], column[1]
