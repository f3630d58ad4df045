"""Pictures that an image processor makes several tiles or a number of patches of.

As in `pixels`, 8-bit values go to the device where the processor's scaling can wait; whether it can
is tried out, since such processors have steps of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recap_assets.captioning.families.family import Inputs, Reader
from recap_assets.captioning.families.pixels import Scaling

_UNSCALED = {"do_rescale": False, "do_normalize": False}


@dataclass(frozen=True)
class TileReader(Reader):
    """`pixel_values` of one picture as K tiles of one size, uint8 [K, H, W, 3], or float32
    [K, 3, H, W] unless `waits`; and the rows that the processor makes of a picture beside them.

    extra: the names of those. options: what the processor is asked for.
    """

    processor: Any
    waits: bool
    extra: tuple[str, ...]
    options: tuple[tuple[str, bool], ...] = ()

    def __call__(self, picture: Image.Image) -> Inputs:
        asked = dict(self.options) | (_UNSCALED if self.waits else {})
        made = self.processor(images=[picture], return_tensors="np", **asked)
        tiles = self.tiles(np.asarray(made["pixel_values"]))
        beside = {name: np.asarray(made[name]).reshape(1, -1) for name in self.extra}
        return {"pixel_values": _bytes(tiles) if self.waits else tiles, **beside}

    def tiles(self, values: NDArray[Any]) -> NDArray[Any]:
        """[K, 3, H, W] of what the processor made of one picture."""
        return values.reshape(-1, *values.shape[-3:])


def tile_reader(
    kind: type[TileReader],
    processor: Any,
    extra: tuple[str, ...] = (),
    options: tuple[tuple[str, bool], ...] = (),
) -> TileReader:
    """A reader of this kind, of 8-bit values if they give what the processor's own scaling gives.

    Tried with noise of an uneven shape, to be resized and cut in all ways that the processor knows.
    """
    import torch

    noise = np.random.default_rng(0).integers(0, 256, (45, 70, 3), dtype=np.uint8)
    now, later = (kind(processor, waits, extra, options) for waits in (False, True))
    full, raw = (one(Image.fromarray(noise))["pixel_values"] for one in (now, later))
    scaled = Scaling.of(processor)(raw, torch.device("cpu")).numpy()
    return later if np.allclose(scaled, full, atol=1e-5) else now


def _bytes(tiles: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.moveaxis(tiles, 1, -1).astype(np.uint8))
