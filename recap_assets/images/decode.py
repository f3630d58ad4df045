"""Encoded bytes to an upright RGB picture; no size, format or damage does harm or passes unseen."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import ExifTags, Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

MAX_PIXELS = 89_478_485

# The readers are named here, so that bytes never reach Pillow's rarer formats, some of which start
# other programs, and so that `max_pixels` is the limit rather than Pillow's global one.
_READERS: tuple[tuple[bytes, type[ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"GIF8", GifImageFile),
    (b"RIFF", WebPImageFile),
    (b"BM", BmpImageFile),
    (b"II*\0", TiffImageFile),
    (b"MM\0*", TiffImageFile),
    (b"II+\0", TiffImageFile),
    (b"MM\0+", TiffImageFile),
)

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class DecodeError(Exception):
    """A picture that cannot be used; `reason` is one line, fit for an index row."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The JPEG, PNG, WebP, GIF, BMP or TIFF in `data` as an upright RGB image.

    The bytes decide the format, not a name. The EXIF orientation is applied, transparency goes on
    white, 16-bit grey is scaled to 8 bits, of an animation the first frame is taken. Colour
    profiles are not applied. The result carries no metadata, so that nobody turns it twice.

    Raises:
        DecodeError: if the data is empty, in another format, cut, damaged, of more than
            `max_pixels` pixels by its header (checked before any pixel is decoded), or has samples
            without a fixed white (32-bit or float).
    """
    if not data:
        raise DecodeError("the file is empty")
    try:
        with warnings.catch_warnings():
            # What is odd about bytes that can be used all the same is of no use to anybody.
            warnings.simplefilter("ignore")
            image = _open(data, max_pixels)
            image.load()
            rgb = _rgb(_upright(image))
    except DecodeError:
        raise
    except Exception as error:
        # Pillow's readers raise almost anything on damaged bytes.
        raise DecodeError(f"cannot be decoded ({_line(error)})") from error
    rgb.info.clear()
    return rgb


def _open(data: bytes, max_pixels: int) -> ImageFile:
    reader = next((reader for magic, reader in _READERS if data.startswith(magic)), None)
    if reader is None:
        raise DecodeError("not a JPEG, PNG, WebP, GIF, BMP or TIFF file")
    image = reader(io.BytesIO(data))
    if image.width * image.height > max_pixels:
        raise DecodeError(
            f"{image.width} x {image.height} pixels are more than max_pixels ({max_pixels})"
        )
    return image


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # Damaged EXIF is common and no reason to lose the picture.
        return image
    turn = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return _from_16_bits(image)
    if image.mode in ("I", "F"):
        raise DecodeError("32-bit or float samples have no fixed white; save it with 8 or 16 bits")
    if not image.has_transparency_data:
        return image.convert("RGB")
    colours = image.convert("RGBA")
    white = Image.new("RGBA", colours.size, "white")
    return Image.alpha_composite(white, colours).convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Grey 0..65535 to 0..255, rounded; Pillow's own conversion may clip at 255."""
    values = np.asarray(image).astype(np.uint32)
    grey = ((values + 128) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if transparent is not None:
        grey[values == transparent] = 255
    return Image.fromarray(grey).convert("RGB")


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__
