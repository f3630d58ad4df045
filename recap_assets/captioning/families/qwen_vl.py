"""Qwen-VL: pictures of any size as patches, and positions in three directions.

`max_pixels` bounds the picture after resizing: 28 * 28 pixels (32 * 32 for Qwen3-VL) are a token.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recap_assets.captioning.families.chat import Chat
from recap_assets.captioning.families.family import Inputs, Reader
from recap_assets.captioning.families.pixels import Scaling
from recap_assets.captioning.families.seen import Seen
from recap_assets.captioning.families.tiles import TileReader, tile_reader


class QwenVL(Chat):
    """Qwen2-VL, Qwen2.5-VL and Qwen3-VL."""

    architectures = (
        "Qwen2VLForConditionalGeneration",
        "Qwen2_5_VLForConditionalGeneration",
        "Qwen3VLForConditionalGeneration",
    )
    parts = {
        "image_encoder": ("model.visual",),
        "text_decoder": ("model.language_model", "lm_head"),
    }

    @classmethod
    def limit(cls, image_processor: Any, pixels: int) -> None:
        side = image_processor.patch_size * image_processor.merge_size
        if pixels < side * side:
            raise ValueError(
                f"max_pixels {pixels} is less than its smallest picture, {side}x{side}"
            )
        least = min(image_processor.size.shortest_edge, pixels)
        image_processor.size = type(image_processor.size)(shortest_edge=least, longest_edge=pixels)

    @classmethod
    def reading(cls, image_processor: Any) -> Reader:
        return tile_reader(PatchReader, image_processor, ("image_grid_thw",))

    def see(self, inputs: Inputs) -> Seen:
        import torch

        grids = torch.from_numpy(inputs["image_grid_thw"]).to(self.device)
        patches = Scaling.of(self.image_processor)(inputs["pixel_values"], self.device)
        # A still picture is a film of equal frames.
        frames = patches[:, :, None].expand(
            -1, -1, self.image_processor.temporal_patch_size, -1, -1
        )
        features = self.model.get_image_features(frames.flatten(1), image_grid_thw=grids)
        return Seen(features, self._stands_for(features), grids)


class PatchReader(TileReader):
    """`pixel_values` of one picture as its patches, in the order of the model, of one frame."""

    def tiles(self, values: NDArray[Any]) -> NDArray[Any]:
        side, frames = self.processor.patch_size, self.processor.temporal_patch_size
        return np.ascontiguousarray(values.reshape(len(values), 3, frames, side, side)[:, :, 0])
