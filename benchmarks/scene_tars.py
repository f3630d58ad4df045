"""Tars of drawn scenes as larger JPEGs: pictures that a captioner has to decode and to resize."""

from __future__ import annotations

import io
import random
from pathlib import Path

from PIL import Image

from recap_assets.images.writer import write_tar
from recap_assets.scenes.captions import long
from recap_assets.scenes.draw import draw
from recap_assets.scenes.scene import sample


def write(folder: Path, shards: int, pictures: int, side: int = 512) -> None:
    """Numbered tars below `folder`, each picture `side` pixels square with a caption as text."""
    for shard in range(shards):
        first = shard * pictures
        samples = [
            {"__key__": f"{number:06d}", "jpg": _jpeg(number, side), "txt": _text(number)}
            for number in range(first, first + pictures)
        ]
        write_tar(folder / f"{shard:05d}.tar", samples)


def _jpeg(number: int, side: int) -> bytes:
    picture = Image.fromarray(draw(sample(number))).resize((side, side), Image.Resampling.BICUBIC)
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=92)
    return data.getvalue()


def _text(number: int) -> str:
    return long(sample(number), random.Random(number))
