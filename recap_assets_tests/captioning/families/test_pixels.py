from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from recap_assets.captioning.families.pixels import PixelReader, Scaling

CPU = torch.device("cpu")
PROCESSORS = {
    "resized to a square": BlipImageProcessorPil(size={"height": 16, "width": 16}),
    "resized to an oblong": BlipImageProcessorPil(size={"height": 12, "width": 20}),
    "cropped": CLIPImageProcessorPil(
        size={"shortest_edge": 18}, crop_size={"height": 16, "width": 16}
    ),
    "not normalized": BlipImageProcessorPil(size={"height": 8, "width": 8}, do_normalize=False),
    "not rescaled": BlipImageProcessorPil(size={"height": 8, "width": 8}, do_rescale=False),
    "bilinear": ViTImageProcessorPil(size={"height": 16, "width": 16}),
}


def picture(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("processor", PROCESSORS.values(), ids=PROCESSORS)
def test_pixels_are_those_of_the_image_processor(processor: object) -> None:
    assert callable(processor)
    shown = [picture(16, 16), picture(40, 23), picture(19, 30)]
    reader, scaling = PixelReader(processor), Scaling.of(processor)
    read = [reader(one) for one in shown]
    assert all(one["pixel_values"].dtype == np.uint8 for one in read)
    got = scaling(reader.collate(read)["pixel_values"], CPU)
    expected = processor(images=shown, return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(got, expected.float(), rtol=0, atol=1e-6)


class Inverted(BlipImageProcessorPil):
    """A processor with a step of its own after the scaling."""

    def normalize(self, image: np.ndarray, *args: object, **kwargs: object) -> np.ndarray:
        return -image


def test_a_processor_with_steps_of_its_own_makes_the_floats_itself() -> None:
    processor = Inverted(size={"height": 8, "width": 8})
    read = PixelReader(processor)(picture(9, 7))
    expected = processor(images=[picture(9, 7)], return_tensors="np")["pixel_values"]
    assert read["pixel_values"].dtype == np.float32
    np.testing.assert_array_equal(Scaling.of(processor)(read["pixel_values"], CPU), expected)
