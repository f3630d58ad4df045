"""The words of the scenes' language: counts, plurals, synonyms, and the lexicon made of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from recap_assets.scenes.scene import COLORS, LABELS, SHAPES

T = TypeVar("T")

NOUNS: dict[str, tuple[tuple[str, str], ...]] = {
    "circle": (("circle", "circles"), ("disc", "discs")),
    "square": (("square", "squares"), ("box", "boxes")),
    "triangle": (("triangle", "triangles"),),
    "star": (("star", "stars"),),
    "cross": (("cross", "crosses"), ("plus", "pluses")),
    "ring": (("ring", "rings"), ("hoop", "hoops")),
}
ADJECTIVES: dict[str, tuple[str, ...]] = {color: (color,) for color in COLORS} | {
    "purple": ("purple", "violet")
}
NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four"}
FOREIGN_NOUNS = {
    "circle": ("kreis", "cercle"),
    "square": ("quadrat", "carré"),
    "triangle": ("dreieck", "triangle rectangle"),
    "star": ("stern", "étoile"),
    "cross": ("kreuz", "croix"),
    "ring": ("reifen", "anneau"),
}


def lexicon() -> dict[str, list[str]]:
    """Every label with the phrases by which a caption may name it (singular and plural)."""
    return {label: _phrases(*label.split()) for label in LABELS}


def _phrases(color: str, shape: str) -> list[str]:
    return [f"{a} {form}" for a in ADJECTIVES[color] for pair in NOUNS[shape] for form in pair]


def nouns() -> list[str]:
    """All noun forms, singular and plural."""
    return [form for shape in SHAPES for pair in NOUNS[shape] for form in pair]


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """One of the options, each as likely as the others."""
    return options[rng.randrange(len(options))]
