"""Drawings: the same pixels everywhere, inside their boxes, and PNG files that others read."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from recap_assets.scenes.draw import draw, png
from recap_assets.scenes.scene import BACKGROUNDS, COLORS, SHAPES, SIZE, Scene, Thing, sample

# Seed, SHA-256 of the pixels, and of the PNG file: training and every stored uid rest on these.
FROZEN = [
    (
        0,
        "1a551e9e87edba3d5121d095d75517d9e831ffbe8157aa06e2e17af087408c7f",
        "4fcacceae7e214dfc5d7a9cd085974d572cfadd2b930f9a5a05ace9f757146a7",
    ),
    (
        2,
        "13baa2f1daf23b8d6f835a379717709f894e7a335c1f2ef6734f13d9c839d0a7",
        "f64a6cb22bb2c2dad3bee5985ef91e5eeb42f8b3cdac16328d4e60aeeb26c96e",
    ),
    (
        3,
        "22419df01ef9aac3a61a9a3bf4232f4eec75189f9c5f2f79c414f322dedd4d76",
        "c8386368b3db2fe50a626668cc6a9465e19ea2496372a8ebb16bc3ef580b1677",
    ),
]
FIRST_HUNDRED = "48c4df1200f359ae18ad9c75b3f010c5e1ab1a5d13bdddf3b53e6f62eebb1b01"


@pytest.mark.parametrize(("seed", "pixels", "file"), FROZEN)
def test_pixels_and_files_are_frozen(seed: int, pixels: str, file: str) -> None:
    drawn = draw(sample(seed))
    assert (drawn.shape, drawn.dtype) == ((SIZE, SIZE, 3), np.uint8)
    assert hashlib.sha256(drawn.tobytes()).hexdigest() == pixels
    assert hashlib.sha256(png(drawn)).hexdigest() == file


def test_a_hundred_drawings_are_frozen() -> None:
    drawn = b"".join(draw(sample(seed)).tobytes() for seed in range(100))
    assert {thing.shape for seed in range(100) for thing in sample(seed).things} == set(SHAPES)
    assert hashlib.sha256(drawn).hexdigest() == FIRST_HUNDRED


@pytest.mark.parametrize("shape", [(SIZE, SIZE), (1, 1), (3, 5), (100, 218)])
def test_pillow_reads_the_file_back(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    with Image.open(io.BytesIO(png(pixels))) as image:
        image.load()
        assert (image.format, image.mode) == ("PNG", "RGB")
        assert (np.asarray(image) == pixels).all()


def test_boxes_hold_every_pixel_that_is_not_ground() -> None:
    for seed in range(300):
        scene = sample(seed)
        drawn = (draw(scene) != np.array(scene.ground)).any(axis=2)
        inside = np.zeros((SIZE, SIZE), int)
        for thing in scene.things:
            x0, y0, x1, y1 = thing.box
            inside[y0 : y1 + 1, x0 : x1 + 1] += 1
            assert drawn[y0 : y1 + 1, x0 : x1 + 1].any()
        assert inside.max() == 1
        assert not drawn[inside == 0].any()


@pytest.mark.parametrize("radius", [7, 10, 14])
@pytest.mark.parametrize(
    ("shape", "extent"),
    [
        ("circle", (-1, -1, 1, 1)),
        ("ring", (-1, -1, 1, 1)),
        ("cross", (-1, -1, 1, 1)),
        ("square", (-0.86, -0.86, 0.86, 0.86)),
        ("triangle", (-1, -1, 1, 0.85)),
        ("star", (-0.951, -1, 0.951, 0.809)),
    ],
)
def test_a_shape_reaches_as_far_as_it_should(
    shape: str, extent: tuple[float, float, float, float], radius: int
) -> None:
    rows, columns = np.nonzero(alone(shape, radius))
    found = (columns.min() - 32, rows.min() - 32, columns.max() - 32, rows.max() - 32)
    assert np.abs(np.array(found) - radius * np.array(extent)).max() <= 1


def test_areas_are_those_of_geometry() -> None:
    r = 14
    areas = {
        "circle": np.pi * r * r,
        "ring": 0.7 * np.pi * r * r,
        "square": (1.72 * r) ** 2,
        "cross": 2 * (0.68 * r * 2 * r) - (0.68 * r) ** 2,
        "triangle": 0.5 * 2 * r * 1.85 * r,
        "star": 10 * 0.5 * 0.441 * np.sin(np.pi / 5) * r * r,
    }
    for shape in SHAPES:
        cover = draw(still(shape, r, (160, 160, 160)))[..., 0] / 160
        assert cover.sum() == pytest.approx(areas[shape], rel=0.04), shape


def test_colours_can_be_told_apart() -> None:
    shades = np.array([*COLORS.values(), *BACKGROUNDS.values()], float)
    distances = np.linalg.norm(shades[:, None] - shades[None], axis=-1)
    assert distances[~np.eye(len(shades), dtype=bool)].min() > 40


def still(shape: str, radius: int, shade: tuple[int, int, int]) -> Scene:
    """One thing in the middle of black."""
    label = f"red {shape}"
    thing = Thing(label, 32, 32, radius, shade)
    return Scene("black", (0, 0, 0), ((label, 1),), None, (thing,))


def alone(shape: str, radius: int) -> np.ndarray:
    """Where a shape covers at least a sixteenth of a pixel."""
    return draw(still(shape, radius, (255, 255, 255)))[..., 0] > 0
