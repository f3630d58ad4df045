"""Pictures of the report page as data URIs, so that the page is one file."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

_LARGEST_SIDE = 256
_SHOWN_AS_IS = ("PNG", "JPEG", "WEBP", "GIF")


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI; `small` ones are enlarged without smoothing."""

    uri: str
    width: int
    height: int

    @property
    def small(self) -> bool:
        """Whether both sides are at most 128 pixels."""
        return max(self.width, self.height) <= 128


def picture(data: bytes) -> Picture | None:
    """`data` as a data URI, or None where it is no readable picture.

    Files of browser formats up to 256 pixels a side stay byte for byte; larger ones become JPEG
    thumbnails of 256 pixels, so that a page of photographs stays a page.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
            size, kind = opened.size, opened.format or ""
            if max(size) <= _LARGEST_SIDE and kind in _SHOWN_AS_IS:
                return Picture(_uri(data, Image.MIME[kind]), *size)
            return _thumbnail(opened)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return None


def _thumbnail(opened: Image.Image) -> Picture:
    shown = opened.convert("RGB")
    shown.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    shown.save(buffer, "JPEG", quality=88)
    return Picture(_uri(buffer.getvalue(), "image/jpeg"), *shown.size)


def _uri(data: bytes, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
