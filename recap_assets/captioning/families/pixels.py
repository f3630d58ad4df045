"""Pictures as pixel values: resized where they are decoded, scaled where the model is.

An image processor that resizes and crops 8-bit pixels before it scales them to floats (most do) is
asked for the 8-bit pixels only, a quarter of the bytes; `Scaling` does the rest on the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recap_assets.captioning.families.family import Inputs, Reader
from recap_assets.images.decode import MAX_PIXELS

if TYPE_CHECKING:
    import torch


class PixelReader(Reader):
    """`pixel_values` of one picture by an image processor of transformers (PIL backend).

    uint8 [1, H, W, 3], to be scaled by `Scaling`, if the processor scales last; else what it makes
    itself, float32 [1, ...]. One that only resizes, or resizes and crops, is not taken along to
    other processes: Pillow does the same without it.
    """

    def __init__(self, processor: Any) -> None:
        self._steps = Steps.of(processor) if scales_last(processor) else None
        self._processor = processor if self._steps is None else None
        self._plain = scales_last(processor)

    def __call__(self, picture: Image.Image) -> Inputs:
        if self._steps is not None:
            return {"pixel_values": np.array(self._steps(picture))[None]}
        assert self._processor is not None
        if not self._plain:
            made = self._processor(images=[picture], return_tensors="np")
            return {"pixel_values": np.asarray(made["pixel_values"], np.float32)}
        plain = {"do_rescale": False, "do_normalize": False, "return_tensors": "np"}
        pixels = self._processor(images=[picture], **plain)["pixel_values"]
        return {"pixel_values": np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))}


@dataclass(frozen=True)
class Steps:
    """What most image processors do to the pixels of a picture: resize it, then cut the middle.

    size: width and height, or what the shorter side becomes. crop: width and height.
    """

    size: tuple[int, int] | int
    crop: tuple[int, int] | None
    resample: int

    @classmethod
    def of(cls, processor: Any) -> Steps | None:
        """The steps of a processor that scales last, None if it does something else."""
        size, crop = processor.size, processor.crop_size if processor.do_center_crop else None
        middle = (int(crop.width), int(crop.height)) if crop else None
        resample = int(processor.resample)
        if not processor.do_resize or size.longest_edge or size.max_height or size.max_width:
            return None
        if size.height and size.width:
            whole = (int(size.width), int(size.height))
            fits = middle is None or (middle[0] <= whole[0] and middle[1] <= whole[1])
            return cls(whole, middle, resample) if fits else None
        short = int(size.shortest_edge or 0)
        return cls(short, middle, resample) if middle and max(middle) <= short else None

    def __call__(self, picture: Image.Image) -> Image.Image:
        """The picture of the size that the model reads.

        Raises:
            ValueError: if its sides are so unequal that it would not fit into memory.
        """
        resized = picture.resize(self._target(picture), self.resample)
        if self.crop is None:
            return resized
        width, height = self.crop
        left, top = (resized.width - width) // 2, (resized.height - height) // 2
        return resized.crop((left, top, left + width, top + height))

    def _target(self, picture: Image.Image) -> tuple[int, int]:
        if not isinstance(self.size, int):
            return self.size
        short, long = sorted(picture.size)
        other = int(self.size * long / short)
        if self.size * other > MAX_PIXELS:
            raise ValueError(f"{picture.width} x {picture.height} pixels are too long and thin")
        return (self.size, other) if picture.width <= picture.height else (other, self.size)


def scales_last(processor: Any) -> bool:
    """Whether it works on 8-bit pixels up to its scaling: the steps are those of its base class."""
    from transformers.image_processing_backends import PilBackend

    own = type(processor)
    steps = ("_preprocess", "process_image", "resize", "center_crop", "rescale", "normalize")
    plain = isinstance(processor, PilBackend) and all(
        getattr(own, step) is getattr(PilBackend, step) for step in steps
    )
    return plain and not processor.do_pad


@dataclass(frozen=True)
class Scaling:
    """What an image processor makes of 8-bit values: times `factor`, minus `mean`, over `std`."""

    factor: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, processor: Any) -> Scaling:
        """The scaling that an image processor is set to."""
        factor = float(processor.rescale_factor) if processor.do_rescale else 1.0
        mean = processor.image_mean if processor.do_normalize else [0.0] * 3
        std = processor.image_std if processor.do_normalize else [1.0] * 3
        return cls(factor, tuple(mean), tuple(std))

    def __call__(self, pixels: NDArray[Any], device: torch.device) -> torch.Tensor:
        """float32 [N, 3, H, W] on `device`: uint8 [N, H, W, 3] scaled, anything else as it is."""
        import torch

        there = torch.from_numpy(pixels).to(device)
        if pixels.dtype != np.uint8:
            return there
        mean, std = (torch.tensor(v, device=device).view(3, 1, 1) for v in (self.mean, self.std))
        return (there.permute(0, 3, 1, 2) * self.factor - mean) / std
