"""Pictures and tars made by hand for the tests: every member and header is stated by the test."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image


def noise(seed: int = 0, width: int = 12, height: int = 8) -> Image.Image:
    """An RGB picture of random pixels."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """The picture's bytes as Pillow writes them."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def member(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """A tar member; `fields` override its header."""
    header = tarfile.TarInfo(name)
    header.size = len(data)
    for field, value in fields.items():
        setattr(header, field, value)
    return header, data


def write(
    path: Path, members: Iterable[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.USTAR_FORMAT
) -> Path:
    """A tar of exactly these members."""
    with tarfile.open(path, "w", format=form, errors="surrogateescape") as tar:
        for header, data in members:
            tar.addfile(header, io.BytesIO(data))
    return path


def simple(path: Path, **files: bytes) -> Path:
    """A tar of regular files; `a__jpg=b"..."` is the member a.jpg."""
    return write(path, [member(name.replace("__", "."), data) for name, data in files.items()])
