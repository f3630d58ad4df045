"""The captioning loop beside `generate` of transformers: python -m benchmarks.engine

Pictures are in memory and nothing is written: what is compared is reading them for the model,
encoding, decoding. The peer passes over them once for every style, in batches as large as ours, and
picture by picture. All captions must be equal, word for word, or the row is void.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from benchmarks import models
from benchmarks.captioning import BATCH, LIMIT, generate, peer
from benchmarks.models import PROMPTS
from benchmarks.rounds import in_turns, machine, told
from recap_assets.scenes.draw import draw
from recap_assets.scenes.scene import sample

Texts = dict[str, list[str]]


def main() -> None:
    """Measure one style, two styles, and two styles against two passes of our own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    models.options(parser)
    asked = parser.parse_args()
    print(machine())
    with models.chosen(asked) as model:
        _compare(asked, model)


def _compare(asked: argparse.Namespace, model: Path) -> None:
    pictures = [Image.fromarray(draw(sample(n))) for n in range(asked.pictures)]
    ours, rounds, amount = _ours(model, pictures), asked.rounds, asked.pictures
    for styles, batch in ((["long"], BATCH), (list(PROMPTS), BATCH), (list(PROMPTS), 1)):
        theirs = _theirs(model, pictures, batch)
        equal = theirs(styles) == ours(styles)
        sides = {"theirs": _timed(theirs, styles), "ours": _timed(ours, styles)}
        found = in_turns(sides, rounds)
        name = f"{'+'.join(styles)} against batches of {batch}"
        name += f", captions {'equal' if equal else 'DIFFER, the row is void'}"
        print(told(name, found["theirs"], found["ours"], "pictures/s", amount))
    both, single = _timed(ours, list(PROMPTS)), [_timed(ours, [style]) for style in PROMPTS]
    found = in_turns({"two passes": lambda: single[0]() + single[1](), "one": both}, rounds)
    print(told("one encode for two", found["two passes"], found["one"], "pictures/s", amount))


def _timed(side: Callable[[list[str]], Texts], styles: list[str]) -> Callable[[], float]:
    def timed() -> float:
        started = time.perf_counter()
        side(styles)
        return time.perf_counter() - started

    return timed


def _ours(model: Path, pictures: list[Image.Image]) -> Callable[[list[str]], Texts]:
    from recap_assets.captioning.generate import caption
    from recap_assets.captioning.load import load

    captioner = load(model)

    def write(styles: list[str]) -> Texts:
        asked = {style: (PROMPTS[style], LIMIT) for style in styles}
        made = caption(captioner, pictures, asked, BATCH)
        return {style: [one.text for one in rows] for style, rows in made.items()}

    return write


def _theirs(model: Path, pictures: list[Image.Image], batch: int) -> Callable[[list[str]], Texts]:
    blip, processor = peer(model)

    def write(styles: list[str]) -> Texts:
        found: Texts = {style: [] for style in styles}
        for style in styles:
            for start in range(0, len(pictures), batch):
                part = pictures[start : start + batch]
                pixels = processor[0](images=part, return_tensors="pt")["pixel_values"]
                words = processor[1]([PROMPTS[style]] * len(part), return_tensors="pt")
                inputs = {"pixel_values": pixels, **words}
                found[style] += generate(blip, processor, inputs, PROMPTS[style])
        return found

    return write


if __name__ == "__main__":
    main()
