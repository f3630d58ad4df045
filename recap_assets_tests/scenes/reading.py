"""Reads captions of scenes back, by the lexicon and by regular expressions of its own."""

from __future__ import annotations

import re

from recap_assets.evaluation.lexicon import Lexicon
from recap_assets.scenes.scene import BACKGROUNDS, Scene
from recap_assets.scenes.words import lexicon

LEXICON = Lexicon.build(lexicon())
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}

_COUNTS = {"a pair of": 2, "a": 1, "one": 1, "two": 2, "three": 3, "four": 4}
_BETWEEN = {
    "left": ("left of", "on the left of"),
    "right": ("right of", "on the right of"),
    "above": ("above", "over", "on top of"),
    "below": ("below", "under", "beneath"),
}
SIDES = {
    "left": ("on the left", "on the left side"),
    "right": ("on the right", "on the right side"),
    "above": ("at the top", "in the upper half"),
    "below": ("at the bottom", "in the lower half"),
}
_PLURALS = [
    "circles",
    "discs",
    "squares",
    "boxes",
    "triangles",
    "stars",
    "crosses",
    "pluses",
    "rings",
    "hoops",
]
PLACES = {phrase for told in (_BETWEEN, SIDES) for phrases in told.values() for phrase in phrases}


def counts(text: str) -> dict[str, int]:
    """How many of each label a caption states; every mention must come with its count."""
    found: dict[str, int] = {}
    for number, label, _ in _groups(text):
        assert label not in found, text
        found[label] = number
    assert LEXICON.mentions(text) == list(found), text
    return found


def plural_is_right(text: str) -> bool:
    """Whether every counted noun has the form that its count asks for."""
    return all((number > 1) == (noun in _PLURALS) for number, _, noun in _groups(text))


def relation(text: str) -> tuple[str, str, str] | None:
    """(first label, direction, second label) that a caption states about its two kinds."""
    labels = LEXICON.mentions(text)
    directions = {d for d in OPPOSITE if _says(text, _BETWEEN[d])}
    if not directions:
        first = text[: text.index(" and ")] if " and " in text else ""
        directions = {d for d in OPPOSITE if _says(first, SIDES[d])}
    if len(labels) < 2 or not directions:
        return None
    (direction,) = directions
    return labels[0], direction, labels[1]


def background(text: str) -> str | None:
    """The background that a caption names."""
    named = [b for b in BACKGROUNDS if f"{b} background" in text or f"background is {b}" in text]
    return named[0] if named else None


def holds(stated: tuple[str, str, str], scene: Scene) -> bool:
    """Whether the centres of all objects are placed as stated, y growing downwards."""
    first, direction, second = stated
    axis = 0 if direction in ("left", "right") else 1
    a = [centre(t.box)[axis] for t in scene.things if t.label == first]
    b = [centre(t.box)[axis] for t in scene.things if t.label == second]
    return max(a) < min(b) if direction in ("left", "above") else min(a) > max(b)


def centre(box: tuple[int, int, int, int]) -> tuple[float, float]:
    """The middle of a box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _groups(text: str) -> list[tuple[int, str, str]]:
    """(count, label, noun as written) of every counted phrase of the lexicon."""
    phrases = sorted(LEXICON.phrases, key=len, reverse=True)
    numbers = sorted(_COUNTS, key=len, reverse=True)
    pattern = rf"\b({'|'.join(numbers)}) ({'|'.join(phrases)})\b"
    found = re.findall(pattern, text)
    return [(_COUNTS[n], LEXICON.phrases[phrase], phrase.split()[-1]) for n, phrase in found]


def _says(text: str, phrases: tuple[str, ...]) -> bool:
    return any(re.search(rf"\b{phrase}\b", text) for phrase in phrases)
