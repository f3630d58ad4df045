"""Draws a scene into pixels with integer arithmetic only: equal bytes on every machine."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from recap_assets.scenes.scene import SIZE, Scene, Thing

_SUB = 4  # sub-pixels per pixel and axis, for smooth edges
# Five-pointed star and triangle on a circle of radius 1000, worked out once: no cosine is needed.
_STAR = (
    (0, -1000), (259, -357), (951, -309), (419, 136), (588, 809),
    (0, 440), (-588, 809), (-419, 136), (-951, -309), (-259, -357),
)  # fmt: skip
_TRIANGLE = ((0, -1000), (1000, 850), (-1000, 850))


def draw(scene: Scene) -> np.ndarray:
    """RGB pixels of the scene, uint8 [64, 64, 3]."""
    canvas = np.empty((SIZE, SIZE, 3), np.int64)
    canvas[:] = scene.ground
    full = _SUB * _SUB
    for thing in scene.things:
        rows, columns = (_span(centre, thing.radius) for centre in (thing.y, thing.x))
        under = canvas[rows.start : rows.stop, columns.start : columns.stop]
        cover = _coverage(thing, rows, columns)[..., None]
        under[:] = (under * (full - cover) + np.array(thing.shade) * cover + full // 2) // full
    return canvas.astype(np.uint8)


def _span(centre: int, radius: int) -> range:
    """The pixels along one axis that a thing can touch."""
    return range(max(0, centre - radius), min(SIZE, centre + radius + 1))


def _coverage(thing: Thing, rows: range, columns: range) -> np.ndarray:
    """How many of each pixel's 16 sub-pixels the thing covers, int [rows, columns]."""
    dx, dy = _offsets(columns, thing.x)[None, :], _offsets(rows, thing.y)[:, None]
    inside = _inside(thing.shape, dx, dy, 2 * _SUB * thing.radius)
    return inside.reshape(len(rows), _SUB, len(columns), _SUB).sum(axis=(1, 3))


def _offsets(pixels: range, centre: int) -> np.ndarray:
    """Twice the sub-pixel centres' distance from a thing's centre, so that they are whole."""
    return 2 * np.arange(_SUB * pixels.start, _SUB * pixels.stop) + 1 - 2 * _SUB * centre - _SUB


def _inside(shape: str, dx: np.ndarray, dy: np.ndarray, r: int) -> np.ndarray:
    """Whether each point lies in the shape of circumradius r around the origin."""
    if shape == "circle":
        return dx * dx + dy * dy <= r * r
    if shape == "ring":
        square = dx * dx + dy * dy
        return (square <= r * r) & (100 * square >= 30 * r * r)
    ax, ay = np.abs(dx), np.abs(dy)
    if shape == "square":
        return (100 * ax <= 86 * r) & (100 * ay <= 86 * r)
    if shape == "cross":
        return ((100 * ax <= 34 * r) & (ay <= r)) | ((100 * ay <= 34 * r) & (ax <= r))
    corners = _STAR if shape == "star" else _TRIANGLE
    return _in_polygon([(x * r // 1000, y * r // 1000) for x, y in corners], dx, dy)


def _in_polygon(corners: list[tuple[int, int]], dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Even-odd rule by whole numbers (no division)."""
    odd = np.zeros(np.broadcast_shapes(dx.shape, dy.shape), bool)
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        crosses = (y1 <= dy) != (y2 <= dy)
        left = (dx - x1) * (y2 - y1) < (dy - y1) * (x2 - x1)
        odd ^= crosses & (left if y2 > y1 else ~left)
    return odd


def png(pixels: np.ndarray) -> bytes:
    """Encode uint8 [H, W, 3] as PNG with stored (uncompressed) data.

    Compressors differ between builds of zlib; stored blocks make the bytes, and so the picture's
    uid, the same everywhere. Needs H * (3 W + 1) below 64 KiB.
    """
    height, width, _ = pixels.shape
    raw = b"".join(b"\0" + row.tobytes() for row in pixels)
    block = struct.pack("<BHH", 1, len(raw), len(raw) ^ 0xFFFF) + raw
    data = b"\x78\x01" + block + struct.pack(">I", zlib.adler32(raw))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in parts)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
