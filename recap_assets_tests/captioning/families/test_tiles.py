from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from recap_assets.captioning.families.pixels import Scaling
from recap_assets.captioning.families.qwen_vl import PatchReader
from recap_assets.captioning.families.tiles import TileReader, tile_reader
from recap_assets_tests.captioning.models import qwen_vl, smolvlm

SHAPE = (("return_row_col_info", True),)


def picture(height: int, width: int) -> Image.Image:
    random = np.random.default_rng(height)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("size", [(16, 16), (30, 20), (9, 60)])
def test_tiles_are_those_of_the_processor(size: tuple[int, int]) -> None:
    processor = smolvlm.image_processor()
    reader = tile_reader(TileReader, processor, ("rows", "cols"), SHAPE)
    assert reader.waits
    got = reader(picture(*size))
    made = processor(images=[picture(*size)], return_tensors="np", return_row_col_info=True)
    assert got["pixel_values"].dtype == np.uint8
    scaled = Scaling.of(processor)(got["pixel_values"], torch.device("cpu")).numpy()
    np.testing.assert_allclose(scaled, made["pixel_values"][0], atol=1e-6)
    assert [got["rows"].tolist(), got["cols"].tolist()] == [made["rows"], made["cols"]]
    assert len(scaled) == int(got["rows"].item()) * int(got["cols"].item()) + 1


def test_patches_are_one_frame_of_the_processors() -> None:
    processor = qwen_vl.image_processor()
    reader = tile_reader(PatchReader, processor, ("image_grid_thw",))
    got = reader(picture(30, 20))
    made = processor(images=[picture(30, 20)], return_tensors="np")
    scaled = Scaling.of(processor)(got["pixel_values"], torch.device("cpu")).numpy()
    films = made["pixel_values"].reshape(len(scaled), 3, 2, qwen_vl.PATCH, qwen_vl.PATCH)
    for frame in (0, 1):
        np.testing.assert_allclose(scaled, films[:, :, frame], atol=1e-6)
    assert got["image_grid_thw"].tolist() == made["image_grid_thw"].tolist()


class _Blurred(type(smolvlm.image_processor())):  # type: ignore[misc]
    """An image processor that makes halves of the values before it scales them."""

    def rescale(self, image: Any, scale: float, *args: Any, **kwargs: Any) -> Any:
        return super().rescale(image / 2, scale, *args, **kwargs)


def test_a_processor_with_steps_of_its_own_scales_itself() -> None:
    processor = _Blurred(size={"longest_edge": 32}, max_image_size={"longest_edge": 16})
    reader = tile_reader(TileReader, processor, ("rows", "cols"), SHAPE)
    assert not reader.waits
    got = reader(picture(30, 20))["pixel_values"]
    made = processor(images=[picture(30, 20)], return_tensors="np")["pixel_values"]
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, made[0])


def test_pictures_of_several_shapes_are_joined() -> None:
    reader = tile_reader(TileReader, smolvlm.image_processor(), ("rows", "cols"), SHAPE)
    parts = [reader(picture(16, 16)), reader(picture(9, 60))]
    both = reader.collate(parts)
    assert len(both["pixel_values"]) == sum(len(part["pixel_values"]) for part in parts)
    assert both["rows"].shape == both["cols"].shape == (2, 1)
