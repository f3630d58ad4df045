"""Alt-text as the web has it: file names, shop talk, half-truths, errors, foreign words, none."""

from __future__ import annotations

import random

from recap_assets.scenes.scene import LABELS, Scene
from recap_assets.scenes.words import ADJECTIVES, FOREIGN_NOUNS, NOUNS, pick

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
_OPENINGS = ("", "", "", "picture of ", "image of ", "drawing with ")
_BETWEEN = (" and ", " with ", " next to ", ", ")


def alt_text(scene: Scene, rng: random.Random, noise: float) -> str:
    """Alt-text of a scene; `noise` (0..1) is the share that fails in one of the web's ways."""
    if rng.randrange(1000) >= 1000 * noise:
        return _informative(scene, rng)
    failures = (_file_name, _shop_talk, _one_of_many, _wrong, _empty, _foreign)
    return pick(rng, failures)(scene, rng)


def _informative(scene: Scene, rng: random.Random) -> str:
    """True as far as it goes: the labels, without counts or places, as keywords or as a title."""
    groups = list(scene.counts)
    rng.shuffle(groups)
    if rng.randrange(2):
        return " ".join(_name(label, n) for label, n in groups)
    names = [_name(label, n, rng) for label, n in groups]
    return pick(rng, _OPENINGS) + pick(rng, _BETWEEN).join(names)


def _name(label: str, count: int, rng: random.Random | None = None) -> str:
    """Such as 'red circles'; in one of its synonyms where there is a generator to choose."""
    color, shape = label.split()
    nouns, adjectives = NOUNS[shape], ADJECTIVES[color]
    if rng is None:
        return f"{color} {nouns[0][count > 1]}"
    return f"{pick(rng, adjectives)} {pick(rng, nouns)[count > 1]}"


def _file_name(scene: Scene, rng: random.Random) -> str:
    return pick(rng, _FILES).format(rng.randrange(10000))


def _shop_talk(scene: Scene, rng: random.Random) -> str:
    goods = pick(rng, _GOODS)
    return f"{goods} {pick(rng, _SHOP)} {pick(rng, _SHOP)}"


def _one_of_many(scene: Scene, rng: random.Random) -> str:
    label, _ = pick(rng, scene.counts)
    return label.split()[1]


def _wrong(scene: Scene, rng: random.Random) -> str:
    """A label that the picture does not show."""
    present = {label for label, _ in scene.counts}
    absent = [label for label in LABELS if label not in present]
    return pick(rng, absent)


def _empty(scene: Scene, rng: random.Random) -> str:
    return ""


def _foreign(scene: Scene, rng: random.Random) -> str:
    names = FOREIGN_NOUNS[scene.counts[0][0].split()[1]]
    return pick(rng, names)
