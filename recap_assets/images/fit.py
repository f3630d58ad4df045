"""A picture made square, the one way for training, captioning and evaluation."""

from __future__ import annotations

from typing import Literal

from PIL import Image, ImageOps

Fit = Literal["crop", "pad"]


def fit(image: Image.Image, size: int, how: Fit = "crop") -> Image.Image:
    """An RGB picture of `size` x `size` pixels, resized once with the antialiased bicubic filter.

    "crop" keeps the largest centred square; "pad" keeps everything, centred on white.

    Raises:
        ValueError: if `how` is neither, or `size` is below 1.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    if how == "crop":
        return ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.BICUBIC)
    if how == "pad":
        return _pad(image.convert("RGB"), size)
    raise ValueError(f"fit must be 'crop' or 'pad', got {how!r}")


def square(image: Image.Image) -> Image.Image:
    """The largest centred square of a picture, its pixels as they are.

    Where the sides differ by an odd number, the extra pixel is cut at the right or the bottom.
    """
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _pad(image: Image.Image, size: int) -> Image.Image:
    scale = size / max(image.size)
    # A very long picture keeps at least one pixel of its short side.
    width, height = (max(1, round(side * scale)) for side in image.size)
    canvas = Image.new("RGB", (size, size), "white")
    canvas.paste(
        image.resize((width, height), Image.Resampling.BICUBIC),
        ((size - width) // 2, (size - height) // 2),
    )
    return canvas
