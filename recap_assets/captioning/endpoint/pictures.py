"""A picture as it goes to a server: newly encoded, in a data URL."""

from __future__ import annotations

import base64
import io
import math

from PIL import Image

from recap_assets.experiment.captioner_settings import Captioner
from recap_assets.images.fit import square

#: Up to so many pixels a picture is sent as PNG, which loses nothing.
SMALL = 256 * 256
_QUALITY = 95
_LONGEST_JPEG = 65_500


def data_url(picture: Image.Image, settings: Captioner) -> str:
    """An RGB picture by the settings `view` and `max_pixels`, as JPEG or, if it is small, as PNG.

    The source's own bytes never leave: what they hold beside the pixels (place, camera, owner)
    would go with them.
    """
    shown = fitted(picture, settings)
    small = shown.width * shown.height <= SMALL or max(shown.size) > _LONGEST_JPEG
    encoded = io.BytesIO()
    # Without `info`, which PIL would write into the file again.
    plain = Image.frombytes("RGB", shown.size, shown.tobytes())
    if small:
        plain.save(encoded, "PNG")
    else:
        plain.save(encoded, "JPEG", quality=_QUALITY)
    kind = "png" if small else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(encoded.getvalue()).decode('ascii')}"


def fitted(picture: Image.Image, settings: Captioner) -> Image.Image:
    """The whole picture or its centre square, made smaller where it has too many pixels."""
    shown = square(picture) if settings.view == "square" else picture
    most = settings.max_pixels
    if most is None or shown.width * shown.height <= most:
        return shown
    scale = math.sqrt(most / (shown.width * shown.height))
    width, height = (max(1, math.floor(side * scale)) for side in shown.size)
    # A side that could not become less than a pixel leaves the other one too long.
    size = (min(width, most), min(height, most))
    return shown.resize(size, Image.Resampling.BICUBIC)
