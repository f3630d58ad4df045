"""What goes over the wire: the fields of a request, and the picture in it."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from recap_assets.captioning.endpoint.batches import batches
from recap_assets.captioning.endpoint.pictures import data_url
from recap_assets.captioning.question import Question
from recap_assets_tests.captioning.endpoint.asking import FAST, Pictures, question, settings
from recap_assets_tests.captioning.endpoint.hostile import Call, Hostile
from recap_assets_tests.images.tar_making import noise


def echo(call: Call) -> None:
    call.answer(call.prompt)


def sent(asked: Question, **changes: Any) -> dict[str, Any]:
    """The body of the one request that a question of one picture makes."""
    with Hostile(echo) as server:
        list(batches(settings(server.url, **changes), Pictures(1), 1, [asked], pace=FAST))
    (call,) = server.calls
    assert call.path == "/v1/chat/completions"
    return call.asked


def decoded(url: str) -> Image.Image:
    head, data = url.split(",")
    image = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
    assert head == f"data:image/{(image.format or '').lower()};base64"
    return image


def test_a_greedy_question_about_a_picture() -> None:
    body = sent(question(1))
    (message,) = body.pop("messages")
    assert body == {"model": "served/model", "max_tokens": 8, "temperature": 0.0}
    assert message["role"] == "user"
    picture, text = message["content"]
    assert text == {"type": "text", "text": "short 0"}
    assert picture["type"] == "image_url"
    assert (np.asarray(decoded(picture["image_url"]["url"])) == np.asarray(noise(0))).all()


def test_a_sampled_question_has_its_seed_in_31_bits() -> None:
    asked = question(1, temperature=0.7, top_p=0.9, seeds=[2**62 + 5])
    body = sent(asked, system="You write captions.")
    assert (body["temperature"], body["top_p"], body["seed"]) == (0.7, 0.9, 5)
    assert body["messages"][0] == {"role": "system", "content": "You write captions."}
    assert "n" not in body


def test_a_question_without_a_picture_is_text() -> None:
    body = sent(question(1, picture=False, prompts=["Shorten: a „wall“\n🙂"]))
    assert body["messages"] == [{"role": "user", "content": "Shorten: a „wall“\n🙂"}]


def test_a_trailing_slash_makes_no_other_address() -> None:
    with Hostile(echo) as server:
        its = settings(server.url + "/")
        list(batches(its, Pictures(1), 1, [question(1)], pace=FAST))
    assert server.calls[0].path == "/v1/chat/completions"


def smooth(width: int, height: int) -> Image.Image:
    """A picture that JPEG hardly changes: white grows to the right."""
    row = np.linspace(0, 255, width).astype(np.uint8)
    return Image.fromarray(np.broadcast_to(row[None, :, None], (height, width, 3)).copy())


@pytest.mark.parametrize(
    ("size", "form"),
    [((256, 256), "PNG"), ((257, 256), "JPEG"), ((1, 1), "PNG"), ((70_000, 1), "PNG")],
)
def test_small_pictures_lose_nothing_and_large_ones_are_jpeg(
    size: tuple[int, int], form: str
) -> None:
    picture = smooth(*size)
    back = decoded(data_url(picture, settings("http://127.0.0.1/v1")))
    assert (back.format, back.size, back.mode) == (form, size, "RGB")
    apart = np.abs(np.asarray(back, int) - np.asarray(picture, int)).max()
    assert apart <= (0 if form == "PNG" else 4)


def test_nothing_but_pixels_is_sent() -> None:
    for size in (20, 400):
        picture = smooth(size, size)
        exif = Image.Exif()
        exif[0x010E] = "where I live"
        picture.info |= {"exif": exif.tobytes(), "icc_profile": b"icc", "comment": b"where I live"}
        picture.info |= {"dpi": (72, 72), "xmp": b"where I live"}
        back = decoded(data_url(picture, settings("http://127.0.0.1/v1")))
        assert not {"exif", "icc_profile", "comment", "xmp"} & set(back.info)
        assert not dict(back.getexif())


@pytest.mark.parametrize("size", [(100, 60), (60, 101)])
def test_square_is_the_centre(size: tuple[int, int]) -> None:
    picture = noise(0, *size)
    back = decoded(data_url(picture, settings("http://127.0.0.1/v1", view="square")))
    left, top = ((side - 60) // 2 for side in size)
    expected = np.asarray(picture)[top : top + 60, left : left + 60]
    assert (np.asarray(back) == expected).all()


@pytest.mark.parametrize(
    ("size", "most", "small"),
    [
        ((100, 60), 6000, (100, 60)),
        ((100, 60), 1500, (50, 30)),
        ((100, 60), 1, (1, 1)),
        ((1000, 1), 10, (10, 1)),
        ((1, 1000), 10, (1, 10)),
    ],
)
def test_max_pixels_keeps_the_shape(
    size: tuple[int, int], most: int, small: tuple[int, int]
) -> None:
    url = data_url(smooth(*size), settings("http://127.0.0.1/v1", max_pixels=most))
    assert decoded(url).size == small
