"""Decoding against pictures worked out by hand, and bytes that must not get through."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

from recap_assets.images.decode import DecodeError, decode
from recap_assets_tests.images.tar_making import encoded, noise

PIXELS = np.array(
    [[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[10, 20, 30], [200, 100, 50], [0, 0, 0]]], np.uint8
)


def array(data: bytes, **options: int) -> np.ndarray:
    image = decode(data, **options)
    assert image.mode == "RGB"
    return np.asarray(image)


def png(width: int, height: int, depth: int, kind: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG put together chunk by chunk, so that the test does not lean on Pillow's writer."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    chunks = [
        chunk(b"IHDR", head),
        *extra,
        chunk(b"IDAT", zlib.compress(rows)),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def trns(data: bytes) -> bytes:
    return (
        struct.pack(">I", len(data))
        + b"tRNS"
        + data
        + struct.pack(">I", zlib.crc32(b"tRNS" + data))
    )


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_give_the_pixels(form: str) -> None:
    np.testing.assert_array_equal(array(encoded(Image.fromarray(PIXELS), form)), PIXELS)


def test_lossless_webp_gives_the_pixels() -> None:
    data = encoded(Image.fromarray(PIXELS), "WEBP", lossless=True, exact=True)
    np.testing.assert_array_equal(array(data), PIXELS)


def test_gif_gives_the_pixels_and_of_an_animation_the_first_frame() -> None:
    frames = [Image.fromarray(PIXELS), Image.new("RGB", (3, 2), "white")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert Image.open(io.BytesIO(data)).n_frames == 2
    np.testing.assert_array_equal(array(data), PIXELS)


def test_jpeg_is_what_pillow_reads() -> None:
    data = encoded(noise(), "JPEG")
    np.testing.assert_array_equal(array(data), np.asarray(Image.open(io.BytesIO(data))))


def test_grey_and_bilevel() -> None:
    grey = np.array([[0, 100, 255]], np.uint8)
    np.testing.assert_array_equal(
        array(encoded(Image.fromarray(grey))), np.repeat(grey[..., None], 3, axis=2)
    )
    bits = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    np.testing.assert_array_equal(array(encoded(bits)), [[[0] * 3, [255] * 3]])


def test_alpha_goes_on_white() -> None:
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 128]]], np.uint8)
    # Half-transparent black on white: 255 * (1 - 128 / 255) = 127.
    expected = [[[255, 0, 0], [255, 255, 255], [127, 127, 127]]]
    np.testing.assert_array_equal(array(encoded(Image.fromarray(rgba))), expected)


def test_grey_with_alpha_goes_on_white() -> None:
    pixels = Image.merge("LA", [Image.new("L", (1, 1), 0), Image.new("L", (1, 1), 51)])
    # 255 * (1 - 51 / 255) = 204.
    np.testing.assert_array_equal(array(encoded(pixels)), [[[204] * 3]])


def test_a_transparent_palette_entry_goes_on_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 200, 10, 10])
    image.putdata([0, 1])
    for form in ("PNG", "GIF"):
        data = encoded(image, form, transparency=0)
        np.testing.assert_array_equal(array(data), [[[255] * 3, [200, 10, 10]]])


def test_a_transparent_colour_goes_on_white() -> None:
    rows = b"\0" + bytes([1, 2, 3, 9, 9, 9])
    data = png(2, 1, 8, 2, rows, trns(struct.pack(">HHH", 1, 2, 3)))
    np.testing.assert_array_equal(array(data), [[[255] * 3, [9] * 3]])


def test_a_transparent_grey_goes_on_white() -> None:
    data = png(2, 1, 8, 0, b"\0" + bytes([7, 9]), trns(struct.pack(">H", 7)))
    np.testing.assert_array_equal(array(data), [[[255] * 3, [9] * 3]])


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    values = [0, 128, 129, 257, 32768, 65535]
    data = png(6, 1, 16, 0, b"\0" + struct.pack(">6H", *values))
    # round(v * 255 / 65535), which is v / 257.
    np.testing.assert_array_equal(array(data)[0, :, 0], [0, 0, 1, 1, 128, 255])


def test_16_bit_grey_with_a_transparent_value() -> None:
    rows = b"\0" + struct.pack(">2H", 500, 501)
    data = png(2, 1, 16, 0, rows, trns(struct.pack(">H", 500)))
    np.testing.assert_array_equal(array(data), [[[255] * 3, [2] * 3]])


def test_16_bit_colour_is_scaled() -> None:
    data = png(1, 1, 16, 2, b"\0" + struct.pack(">3H", 0, 0x8080, 0xFFFF))
    np.testing.assert_array_equal(array(data), [[[0, 128, 255]]])


def test_16_bit_tiff_of_both_byte_orders() -> None:
    values = np.array([[0, 257, 65535]], np.uint16)
    little = encoded(Image.fromarray(values), "TIFF")
    big = io.BytesIO()
    big.write(struct.pack(">2sHI", b"MM", 42, 8))
    entries = [(256, 3, 3), (257, 3, 1), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 200)]
    entries += [(277, 3, 1), (278, 3, 1), (279, 4, 6)]
    big.write(struct.pack(">H", len(entries)))
    for tag, kind, value in entries:
        packed = struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value)
        big.write(struct.pack(">HHI", tag, kind, 1) + packed)
    big.write(bytes(200 - big.tell()) + struct.pack(">3H", 0, 257, 65535))
    for data in (little, big.getvalue()):
        np.testing.assert_array_equal(array(data)[0, :, 0], [0, 1, 255])


@pytest.mark.parametrize("value", [np.int32(7), np.float32(0.5)])
def test_samples_without_a_white_are_refused(value: np.generic) -> None:
    data = encoded(Image.fromarray(np.full((2, 2), value)), "TIFF")
    with pytest.raises(DecodeError, match="no fixed white"):
        decode(data)


def test_cmyk() -> None:
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    for form, options in (("TIFF", {}), ("JPEG", {"quality": 100, "subsampling": 0})):
        difference = array(encoded(image, form, **options)).astype(int) - [0, 255, 255]
        assert np.abs(difference).max() <= 3, form


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied_once(form: str, orientation: int) -> None:
    stored = Image.fromarray(np.kron(PIXELS, np.ones((16, 16, 1), np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(stored, form, exif=exif, **options)
    reader = np.asarray(stored) if form != "JPEG" else array(encoded(stored, "JPEG"))
    # What the TIFF specification says about row 0 and column 0 of the stored picture.
    turned = {
        1: reader,
        2: reader[:, ::-1],
        3: reader[::-1, ::-1],
        4: reader[::-1],
        5: reader.swapaxes(0, 1),
        6: reader[::-1].swapaxes(0, 1),
        7: reader[::-1, ::-1].swapaxes(0, 1),
        8: reader[:, ::-1].swapaxes(0, 1),
    }[orientation]
    image = decode(data)
    np.testing.assert_array_equal(np.asarray(image), turned)
    again = ImageOps.exif_transpose(image)
    np.testing.assert_array_equal(np.asarray(again), turned)


def test_damaged_exif_does_not_cost_the_picture() -> None:
    plain = encoded(noise(), "JPEG")
    exif = b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\xff" * 30
    data = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(array(data), array(plain))


def test_the_name_does_not_matter_but_the_format_does() -> None:
    for data in (
        b"<html>404</html>",
        b"\0" * 100,
        b"%!PS-Adobe-3.0 EPSF-3.0",
        encoded(noise(), "PPM"),
    ):
        with pytest.raises(DecodeError, match="not a JPEG, PNG, WebP, GIF, BMP or TIFF"):
            decode(data)


def test_no_bytes() -> None:
    with pytest.raises(DecodeError) as caught:
        decode(b"")
    assert caught.value.reason == "the file is empty"


def test_the_pixel_limit_is_of_the_header() -> None:
    bomb = png(60_000, 60_000, 8, 0, b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DecodeError, match="60000 x 60000 pixels are more than max_pixels"):
            decode(bomb)
        with pytest.raises(DecodeError, match="12 x 8 pixels"):
            decode(encoded(noise()), max_pixels=95)
        assert decode(encoded(noise()), max_pixels=96).size == (12, 8)


def test_the_limit_is_ours_even_where_pillow_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    data = encoded(noise())
    assert decode(data).size == (12, 8)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_pillows_settings_stay() -> None:
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    decode(encoded(noise()))
    assert (
        Image.MAX_IMAGE_PIXELS,
        ImageFile.LOAD_TRUNCATED_IMAGES,
        list(warnings.filters),
    ) == before


FORMS: list[tuple[str, dict[str, object]]] = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("PNG", {}),
    ("GIF", {}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("BMP", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
]


@pytest.mark.filterwarnings("ignore:(Corrupt|Truncated)")
@pytest.mark.parametrize(("form", "options"), FORMS)
def test_a_cut_picture_is_an_error_or_the_same_picture(
    form: str, options: dict[str, object]
) -> None:
    data = encoded(noise(3, 40, 30), form, **options)
    expected = array(data)
    cuts = [*range(0, len(data), max(1, len(data) // 150)), *range(len(data) - 30, len(data))]
    errors = 0
    for cut in cuts:
        try:
            found = array(data[:cut])
        except DecodeError as error:
            assert "\n" not in error.reason
            errors += 1
        else:
            np.testing.assert_array_equal(found, expected)
    assert errors > len(cuts) // 2


@cache
def whole(form: str, **options: object) -> bytes:
    return encoded(noise(1, 24, 20), form, **options)


@settings(max_examples=150)
@given(
    form=st.sampled_from(FORMS),
    edits=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=20),
)
def test_damaged_bytes_give_a_picture_or_a_decode_error(
    form: tuple[str, dict[str, object]], edits: list[tuple[float, int]]
) -> None:
    data = bytearray(whole(form[0], **form[1]))
    for where, value in edits:
        data[int(where * len(data))] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = decode(bytes(data), max_pixels=1_000_000)
        except DecodeError:
            return
    assert image.mode == "RGB"
    assert image.width * image.height <= 1_000_000


def test_odd_but_usable_bytes_are_decoded_without_a_warning() -> None:
    """Pillow tells of damaged EXIF, which would fill a terminal during a crawl's indexing."""
    image = Image.new("RGB", (8, 8), "red")
    buffer = io.BytesIO()
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\xff\xff\xff\x7f\x10\0\0\0\0\0\0\0"
    image.save(buffer, "JPEG", exif=exif)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(buffer.getvalue()).size == (8, 8)
