"""SmolVLM and Idefics3: a picture as a grid of tiles and once more as a whole.

`max_pixels` bounds the grid: so many tiles a side as fit into a square of that many pixels.
"""

from __future__ import annotations

import math
from typing import Any

from recap_assets.captioning.families.chat import Chat
from recap_assets.captioning.families.family import Inputs, Reader
from recap_assets.captioning.families.pixels import Scaling
from recap_assets.captioning.families.seen import Seen
from recap_assets.captioning.families.tiles import TileReader, tile_reader


class SmolVLM(Chat):
    """`SmolVLMForConditionalGeneration` and its ancestor."""

    architectures = ("SmolVLMForConditionalGeneration", "Idefics3ForConditionalGeneration")
    parts = {
        "image_encoder": ("model.vision_model", "model.connector"),
        "text_decoder": ("model.text_model", "lm_head"),
    }

    @classmethod
    def limit(cls, image_processor: Any, pixels: int) -> None:
        tile = image_processor.max_image_size["longest_edge"]
        if pixels < tile * tile:
            raise ValueError(
                f"max_pixels {pixels} is less than its smallest picture, {tile}x{tile}"
            )
        side = min(image_processor.size.longest_edge, math.isqrt(pixels) // tile * tile)
        image_processor.size = type(image_processor.size)(longest_edge=side)

    @classmethod
    def reading(cls, image_processor: Any) -> Reader:
        shape = (("return_row_col_info", True),)
        return tile_reader(TileReader, image_processor, ("rows", "cols"), shape)

    def see(self, inputs: Inputs) -> Seen:
        tiles = Scaling.of(self.image_processor)(inputs["pixel_values"], self.device)
        # All tiles as those of one picture, or each picture would be filled up to the largest.
        features = self.model.get_image_features(tiles[None])
        shapes = [
            (int(r), int(c)) for r, c in zip(inputs["rows"].flat, inputs["cols"].flat, strict=True)
        ]
        counts = [rows * columns + 1 for rows, columns in shapes]
        each = len(features.pooler_output[0]) // len(tiles)
        features.pooler_output = features.pooler_output[0].split([n * each for n in counts])
        return Seen(features, [self._laid_out(*shape, each) for shape in shapes])

    def _laid_out(self, rows: int, columns: int, each: int) -> list[int]:
        """The tokens of a picture: its tiles row by row with marks between them, then the whole."""
        from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

        name = self.tokenizer.convert_ids_to_tokens(self._image)
        text = get_image_prompt_string(
            rows, columns, each, "<fake_token_around_image>", name, "<global-img>"
        )
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids
