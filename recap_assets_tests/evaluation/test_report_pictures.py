"""Tests of the report's pictures: small ones unchanged, large ones reduced, broken ones named."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from recap_assets.evaluation.report_pictures import picture


def _png(size: tuple[int, int], kind: str = "PNG") -> bytes:
    noise = np.random.default_rng(7).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, kind)
    return buffer.getvalue()


def test_small_picture_is_embedded_byte_for_byte() -> None:
    data = _png((64, 48))
    found = picture(data)
    assert found is not None
    head, body = found.uri.split(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(body) == data
    assert (found.width, found.height, found.small) == (64, 48, True)


def test_large_picture_becomes_a_thumbnail_of_the_same_shape() -> None:
    data = _png((1024, 512))
    found = picture(data)
    assert found is not None
    assert (found.width, found.height, found.small) == (256, 128, False)
    assert found.uri.startswith("data:image/jpeg;base64,")
    assert len(found.uri) < len(data) / 5


@pytest.mark.parametrize("data", [b"", b"no picture", _png((32, 32))[:200]])
def test_unreadable_picture_is_none(data: bytes) -> None:
    assert picture(data) is None


def test_format_no_browser_reads_is_converted() -> None:
    found = picture(_png((16, 16), "TIFF"))
    assert found is not None
    assert found.uri.startswith("data:image/jpeg;base64,")
