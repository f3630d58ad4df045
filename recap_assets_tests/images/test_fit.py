"""Cropping and padding, on pictures whose result can be said beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from recap_assets.images.fit import fit, square
from recap_assets_tests.images.tar_making import noise


def thirds(width: int, height: int) -> Image.Image:
    """Red, green and blue bands along the longer side."""
    bands = np.zeros((height, width, 3), np.uint8)
    along = bands if width >= height else bands.swapaxes(0, 1)
    step = max(width, height) // 3
    for band in range(3):
        along[:, band * step : (band + 1) * step, band] = 255
    return Image.fromarray(bands)


@pytest.mark.parametrize("size", [(90, 30), (30, 90)])
def test_crop_keeps_the_middle(size: tuple[int, int]) -> None:
    out = np.asarray(fit(thirds(*size), 10, "crop"))
    assert out.shape == (10, 10, 3)
    inside = out[:, 1:-1] if size[0] > size[1] else out[1:-1]
    assert (inside == [0, 255, 0]).all()


def test_crop_is_the_shorter_side_resized_and_then_cut() -> None:
    image = noise(4, 60, 40)
    whole = image.resize((30, 20), Image.Resampling.BICUBIC).crop((5, 0, 25, 20))
    np.testing.assert_array_equal(np.asarray(fit(image, 20, "crop")), np.asarray(whole))


def test_pad_keeps_everything_on_white() -> None:
    out = np.asarray(fit(thirds(90, 30), 30, "pad"))
    assert (out[:10] == 255).all()
    assert (out[20:] == 255).all()
    middle = out[15]
    assert [middle[x].tolist() for x in (2, 15, 27)] == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    tall = np.asarray(fit(thirds(30, 90), 30, "pad"))
    np.testing.assert_array_equal(tall, out.swapaxes(0, 1))


def test_a_square_of_the_right_size_is_unchanged() -> None:
    image = noise(0, 16, 16)
    for how in ("crop", "pad"):
        np.testing.assert_array_equal(np.asarray(fit(image, 16, how)), np.asarray(image))


def test_shrinking_averages_and_does_not_skip() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    out = np.asarray(fit(Image.fromarray(stripes), 8)).astype(int)
    assert np.abs(out - 127.5).max() < 8


@settings(max_examples=60)
@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    size=st.integers(1, 70),
    how=st.sampled_from(["crop", "pad"]),
)
def test_every_shape_fits(width: int, height: int, size: int, how: str) -> None:
    out = np.asarray(fit(Image.new("RGB", (width, height), (10, 200, 30)), size, how))
    assert out.shape == (size, size, 3)
    assert (out == [10, 200, 30]).all(axis=2).any(), "something of the picture remains"
    if how == "crop":
        assert (out == [10, 200, 30]).all()


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="crop"):
        fit(noise(), 8, "stretch")
    with pytest.raises(ValueError, match="at least 1"):
        fit(noise(), 0)


@pytest.mark.parametrize("size", [(90, 30), (30, 90), (30, 30)])
def test_a_square_is_the_middle_as_it_was(size: tuple[int, int]) -> None:
    image = noise(5, *size)
    left, top = (size[0] - 30) // 2, (size[1] - 30) // 2
    expected = np.asarray(image)[top : top + 30, left : left + 30]
    np.testing.assert_array_equal(np.asarray(square(image)), expected)


def test_of_an_odd_rest_the_larger_part_is_cut_at_the_end() -> None:
    image = noise(6, 8, 5)
    np.testing.assert_array_equal(np.asarray(square(image)), np.asarray(image)[:, 1:6])
