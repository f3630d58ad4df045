"""Contact sheets decoded again: the pictures are there and the text stays below its limit."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from recap_assets.images.sheet import contact_sheet
from recap_assets_tests.images.tar_making import noise

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (10, 20, 30), (200, 100, 50)]


def picture(sheet: str) -> Image.Image:
    found = re.search(r"data:image/(png|jpeg);base64,([A-Za-z0-9+/=]+)\)", sheet)
    assert found
    image = Image.open(io.BytesIO(base64.b64decode(found[2])))
    assert image.format == found[1].upper()
    return image


def test_pictures_lie_in_rows() -> None:
    sheet = contact_sheet([Image.new("RGB", (9, 9), c) for c in COLOURS], columns=3, cell=20)
    image = np.asarray(picture(sheet))
    assert image.shape == (42, 64, 3)
    centres = [(10, 10), (10, 32), (10, 54), (32, 10), (32, 32)]
    assert [tuple(image[place].tolist()) for place in centres] == COLOURS
    assert image[32, 54].tolist() == [255, 255, 255]


def test_labels_are_a_numbered_list_of_plain_text() -> None:
    labels = ["two\n cats", "<b>[x](y)* `z`", "", "ü" * 500]
    sheet = contact_sheet([noise(n) for n in range(4)], labels)
    lines = sheet.splitlines()[2:]
    assert lines[0] == "1. two cats"
    assert lines[1] == "2. \\<b\\>\\[x\\](y)\\* \\`z\\`"
    assert lines[2] == "3. "
    assert lines[3] == "4. " + "ü" * 119 + "…"


@pytest.mark.parametrize(("limit", "count"), [(1_000, 1), (1_000, 9), (10_000, 30), (50_000, 60)])
def test_the_limit_holds(limit: int, count: int) -> None:
    sheet = contact_sheet([noise(n, 32, 32) for n in range(count)], max_bytes=limit)
    assert len(sheet.encode("utf-8")) < limit
    picture(sheet).load()


def test_left_out_pictures_are_counted() -> None:
    sheet = contact_sheet([noise(n) for n in range(100)], ["x" * 100] * 100, max_bytes=4_000)
    shown = len(re.findall(r"^\d+\. ", sheet, re.MULTILINE))
    assert 0 < shown < 100
    assert f"{100 - shown} more not shown." in sheet


def test_the_same_pictures_give_the_same_text() -> None:
    assert contact_sheet([noise(1), noise(2)]) == contact_sheet([noise(1), noise(2)])


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])
    with pytest.raises(ValueError, match="1 pictures but 2 labels"):
        contact_sheet([noise()], ["a", "b"])
    with pytest.raises(ValueError, match="not even one"):
        contact_sheet([noise()], max_bytes=100)
