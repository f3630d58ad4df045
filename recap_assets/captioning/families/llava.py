"""LLaVA: a picture of one size; for LLaVA-NeXT also its parts, by the nearest of some shapes."""

from __future__ import annotations

from typing import Any

from recap_assets.captioning.families.chat import Chat
from recap_assets.captioning.families.family import Inputs, Reader
from recap_assets.captioning.families.pixels import PixelReader, Scaling
from recap_assets.captioning.families.seen import Seen
from recap_assets.captioning.families.tiles import TileReader, tile_reader

_PARTS = {
    "image_encoder": ("model.vision_tower", "model.multi_modal_projector"),
    "text_decoder": ("model.language_model", "lm_head"),
}


class Llava(Chat):
    """`LlavaForConditionalGeneration`."""

    architectures = ("LlavaForConditionalGeneration",)
    parts = _PARTS

    @classmethod
    def limit(cls, image_processor: Any, pixels: int) -> None:
        raise ValueError("max_pixels: its pictures have sizes of their own; remove the setting")

    @classmethod
    def reading(cls, image_processor: Any) -> Reader:
        return PixelReader(image_processor)

    def see(self, inputs: Inputs) -> Seen:
        pixels = Scaling.of(self.image_processor)(inputs["pixel_values"], self.device)
        features = self.model.get_image_features(pixels)
        return Seen(features, self._stands_for(features))


class LlavaNext(Llava):
    """`LlavaNextForConditionalGeneration`."""

    architectures = ("LlavaNextForConditionalGeneration",)

    @classmethod
    def reading(cls, image_processor: Any) -> Reader:
        return tile_reader(TileReader, image_processor, ("image_sizes",))

    def see(self, inputs: Inputs) -> Seen:
        import torch

        parts = Scaling.of(self.image_processor)(inputs["pixel_values"], self.device)
        sizes = torch.from_numpy(inputs["image_sizes"])
        features = self.model.get_image_features(parts, sizes)
        return Seen(features, self._stands_for(features))
