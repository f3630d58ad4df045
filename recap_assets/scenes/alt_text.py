"""Alt-text as the web has it: file names, shop talk, half-truths, errors, foreign words, none."""

from __future__ import annotations

import random

from recap_assets.scenes.scene import LABELS, Scene
from recap_assets.scenes.words import FOREIGN_NOUNS, NOUNS

_SHOP = (
    "buy now",
    "free shipping",
    "best price",
    "new collection",
    "sale",
    "top seller",
    "in stock",
)
_FILES = (
    "IMG_{:04d}.JPG",
    "DSC{:05d}",
    "image{}.png",
    "untitled-{}",
    "screenshot {}",
    "final_v{}.png",
)
_GOODS = ("poster", "sticker", "mug", "t-shirt", "wall art", "gift", "clip art")


def alt_text(scene: Scene, rng: random.Random, noise: float) -> str:
    """Alt-text of a scene; `noise` (0..1) is the share that fails in one of the web's ways."""
    if rng.randrange(1000) >= 1000 * noise:
        return _informative(scene, rng)
    failures = (_file_name, _shop_talk, _one_of_many, _wrong, _empty, _foreign)
    return failures[rng.randrange(len(failures))](scene, rng)


def _informative(scene: Scene, rng: random.Random) -> str:
    """True as far as it goes: the labels, without counts or places."""
    names = [_name(label, n) for label, n in scene.counts]
    rng.shuffle(names)
    return " ".join(names)


def _name(label: str, count: int) -> str:
    color, shape = label.split()
    return f"{color} {NOUNS[shape][0][min(count, 2) - 1]}"


def _file_name(scene: Scene, rng: random.Random) -> str:
    return _FILES[rng.randrange(len(_FILES))].format(rng.randrange(10000))


def _shop_talk(scene: Scene, rng: random.Random) -> str:
    goods = _GOODS[rng.randrange(len(_GOODS))]
    return f"{goods} {_SHOP[rng.randrange(len(_SHOP))]} {_SHOP[rng.randrange(len(_SHOP))]}"


def _one_of_many(scene: Scene, rng: random.Random) -> str:
    label, _ = scene.counts[rng.randrange(len(scene.counts))]
    return label.split()[1]


def _wrong(scene: Scene, rng: random.Random) -> str:
    """A label that the picture does not show."""
    present = {label for label, _ in scene.counts}
    absent = [label for label in LABELS if label not in present]
    return absent[rng.randrange(len(absent))]


def _empty(scene: Scene, rng: random.Random) -> str:
    return ""


def _foreign(scene: Scene, rng: random.Random) -> str:
    names = FOREIGN_NOUNS[scene.counts[0][0].split()[1]]
    return names[rng.randrange(len(names))]
