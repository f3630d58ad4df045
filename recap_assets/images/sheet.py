"""A contact sheet: many small pictures as one image in Markdown, small enough for an event log."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence

from PIL import Image

from recap_assets.images.fit import fit

_GAP = 2
_SMALLEST_CELL = 16
_QUALITIES = (90, 75, 55, 35)
_LABEL_LENGTH = 120
_MARKUP = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_{}[]<>#|!~$&"})


def contact_sheet(
    images: Sequence[Image.Image],
    labels: Sequence[str] | None = None,
    columns: int = 8,
    cell: int = 64,
    max_bytes: int = 50_000,
) -> str:
    """Markdown: the pictures in rows of `columns`, padded to `cell` pixels, and a list of labels.

    Kept below `max_bytes` of UTF-8 by, in this order: PNG, JPEG of falling quality, smaller cells,
    fewer pictures; a last line says how many were left out.

    Raises:
        ValueError: if there are no pictures, or not a label for each, or not even one fits.
    """
    if not images:
        raise ValueError("a contact sheet needs at least one picture")
    if labels is not None and len(labels) != len(images):
        raise ValueError(f"{len(images)} pictures but {len(labels)} labels")
    shown = len(images)
    while shown:
        below = _below(labels[:shown] if labels else [], len(images) - shown)
        room = max_bytes - len(below.encode("utf-8"))
        for line in _attempts(images[:shown], columns, cell) if room > 0 else ():
            if len(line) < room:
                return line + below
        shown //= 2
    raise ValueError(f"not even one picture fits into {max_bytes} bytes")


def _attempts(images: Sequence[Image.Image], columns: int, cell: int) -> Iterator[str]:
    """The pictures as a line of ASCII Markdown, from best looking to smallest."""
    while True:
        grid = _grid(images, columns, cell)
        yield _markdown(grid, "png", {})
        for quality in _QUALITIES:
            yield _markdown(grid, "jpeg", {"quality": quality})
        if cell <= _SMALLEST_CELL:
            return
        cell = max(_SMALLEST_CELL, cell // 2)


def _grid(images: Sequence[Image.Image], columns: int, cell: int) -> Image.Image:
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    step = cell + _GAP
    grid = Image.new("RGB", (columns * step - _GAP, rows * step - _GAP), "white")
    for place, image in enumerate(images):
        grid.paste(fit(image, cell, "pad"), (place % columns * step, place // columns * step))
    return grid


def _markdown(grid: Image.Image, form: str, options: dict[str, int]) -> str:
    buffer = io.BytesIO()
    grid.save(buffer, form, **options)
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"![contact sheet](data:image/{form};base64,{text})\n"


def _below(labels: Sequence[str], left_out: int) -> str:
    lines = [f"{number}. {_label(label)}" for number, label in enumerate(labels, 1)]
    if left_out:
        lines += ["", f"{left_out} more not shown."]
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def _label(label: str) -> str:
    text = " ".join(label.split())
    shown = text if len(text) <= _LABEL_LENGTH else text[: _LABEL_LENGTH - 1] + "…"
    return shown.translate(_MARKUP)
