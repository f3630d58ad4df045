"""What a chat model has seen of pictures, and how it is told of them among the tokens of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from recap_assets.captioning.families.causal import Read


@dataclass
class Seen:
    """N pictures.

    features: as `get_image_features` of transformers gives them, one tensor a picture.
    tokens: what stands for each picture among the tokens of a question.
    grids: the patches of each picture, for models whose positions follow them, int64 [N, 3].
    read: the head of the questions, if it is the same for all; row n has picture n.
    """

    features: Any
    tokens: list[list[int]]
    grids: torch.Tensor | None = None
    read: Read | None = None

    def expand(self, row: Sequence[int], image: int, picture: int) -> list[int]:
        """A row with all that stands for the picture in the place of the one token `image`."""
        place = row.index(image)
        return [*row[:place], *self.tokens[picture], *row[place + 1 :]]

    def beside(self, picked: Sequence[int] | None = None) -> dict[str, Any]:
        """The argument by which transformers takes pictures that are encoded already.

        Row r has picture `picked[r]`, by default r.
        """
        features = self.features
        if picked is not None:
            features = type(features)(pooler_output=[features.pooler_output[i] for i in picked])
            layers = getattr(self.features, "deepstack_features", None)
            if layers is not None:
                features.deepstack_features = [[layer[i] for i in picked] for layer in layers]
        return {"mm_encoder_outputs": {"image": features}}
