"""The captioner to measure: the one that ships, a folder, or one of random weights by size."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

PROMPTS = {"short": "short caption:", "long": "long caption:"}


def options(parser: argparse.ArgumentParser) -> None:
    """Let the command line choose."""
    parser.add_argument("--model", type=Path, help="a BLIP folder; by default the one that ships")
    parser.add_argument(
        "--width",
        type=int,
        help="instead, a BLIP of BLIP-base's proportions (12 layers, patches of 16 pixels) and "
        "random weights, so wide; its captions are as long as they may be",
    )
    parser.add_argument("--side", type=int, default=384, help="pixels that it reads")


@contextmanager
def chosen(asked: argparse.Namespace) -> Iterator[Path]:
    """The absolute path of the model's folder while it is needed."""
    if asked.width is None:
        shipped = Path(__file__).parents[1] / "data" / "base" / "captioner"
        yield (asked.model or shipped).absolute()
        return
    with TemporaryDirectory() as folder:
        _write(Path(folder), asked.width, asked.side)
        yield Path(folder)


def _write(folder: Path, width: int, side: int) -> None:
    from recap_assets.captioning import tiny
    from recap_assets.captioning.save import save

    sizes = {"hidden": width, "mlp": 4 * width, "heads": max(1, width // 64)}
    layers = {"image_layers": 12, "text_layers": 12}
    made = tiny.build(PROMPTS.values(), side, patch=16, **sizes, **layers)
    save(made, folder, {"title": "of random weights, for a measurement"})
