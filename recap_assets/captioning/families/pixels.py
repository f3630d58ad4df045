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

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PixelReader(Reader):
    """`pixel_values` of one picture by an image processor of transformers (PIL backend).

    uint8 [1, H, W, 3], to be scaled by `Scaling`, if the processor scales last; else what it makes
    itself, float32 [1, ...].
    """

    processor: Any

    def __call__(self, picture: Image.Image) -> Inputs:
        if not scales_last(self.processor):
            made = self.processor(images=[picture], return_tensors="np")
            return {"pixel_values": np.asarray(made["pixel_values"], np.float32)}
        side = fixed_size(self.processor)
        if side is not None:
            resized = picture.resize(side, self.processor.resample)
            return {"pixel_values": np.asarray(resized)[None]}
        plain = {"do_rescale": False, "do_normalize": False, "return_tensors": "np"}
        pixels = self.processor(images=[picture], **plain)["pixel_values"]
        return {"pixel_values": np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))}


def scales_last(processor: Any) -> bool:
    """Whether it works on 8-bit pixels up to its scaling: the steps are those of its base class."""
    from transformers.image_processing_backends import PilBackend

    own = type(processor)
    steps = ("_preprocess", "resize", "center_crop", "rescale", "normalize")
    plain = isinstance(processor, PilBackend) and all(
        getattr(own, step) is getattr(PilBackend, step) for step in steps
    )
    return plain and not processor.do_pad


def fixed_size(processor: Any) -> tuple[int, int] | None:
    """(width, height) if all it does to a picture is to resize it to that."""
    size = processor.size
    fixed = processor.do_resize and not processor.do_center_crop and size.height and size.width
    return (size.width, size.height) if fixed else None


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
