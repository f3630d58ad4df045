"""A scene: one or two kinds of coloured shapes, counted and placed, on a plain background.

Everything is drawn from a seed by integer arithmetic, so that a scene is the same on every machine.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TypeVar

from recap_assets.evaluation.prompts import Direction

T = TypeVar("T")
SIZE = 64
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (222, 38, 38),
    "green": (36, 160, 62),
    "blue": (44, 88, 224),
    "yellow": (248, 214, 44),
    "purple": (138, 46, 178),
    "pink": (250, 140, 200),
}
BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (246, 246, 246),
    "black": (18, 18, 18),
    "gray": (128, 128, 128),
    "brown": (112, 74, 40),
}
RELATIONS: tuple[Direction, ...] = ("left", "right", "above", "below")
INVERSE: dict[Direction, Direction] = {
    "left": "right",
    "right": "left",
    "above": "below",
    "below": "above",
}
LABELS = tuple(f"{color} {shape}" for color in COLORS for shape in SHAPES)


@dataclass(frozen=True)
class Thing:
    """One object: its label, centre and radius in pixels (y grows downwards), and its RGB shade."""

    label: str
    x: int
    y: int
    radius: int
    shade: tuple[int, int, int]

    @property
    def shape(self) -> str:
        return self.label.split()[1]

    @property
    def box(self) -> tuple[int, int, int, int]:
        r = self.radius
        return self.x - r, self.y - r, self.x + r, self.y + r


@dataclass(frozen=True)
class Scene:
    """What a picture shows: counts per label, the place of the first kind to the second, things."""

    background: str
    ground: tuple[int, int, int]
    counts: tuple[tuple[str, int], ...]
    relation: Direction | None
    things: tuple[Thing, ...]

    @property
    def signature(self) -> str:
        """What a caption can tell about the scene; equal for scenes that differ only in jitter."""
        first = ",".join(f"{n} {label}" for label, n in self.counts)
        if self.relation is None:
            return f"{first}|{self.background}"
        second = ",".join(f"{n} {label}" for label, n in reversed(self.counts))
        return (
            min(f"{first}|{self.relation}", f"{second}|{INVERSE[self.relation]}")
            + f"|{self.background}"
        )

    @property
    def relations(self) -> list[tuple[str, Direction, str]]:
        if self.relation is None:
            return []
        return [(self.counts[0][0], self.relation, self.counts[1][0])]

    def truth(self) -> dict[str, object]:
        """The exact annotation of the picture, boxes in pixels."""
        return {
            "background": self.background,
            "objects": [{"label": t.label, "box": list(t.box)} for t in self.things],
            "relations": [list(r) for r in self.relations],
        }


def sample(seed: int) -> Scene:
    """Draw a scene of one to four objects; equal seeds give equal scenes."""
    rng = random.Random(seed)
    background = _pick(rng, tuple(BACKGROUNDS))
    first, second = _two_labels(rng)
    if rng.randrange(100) < 40:
        counts: tuple[tuple[str, int], ...] = ((first, _weighted(rng, (50, 25, 15, 10))),)
        relation: Direction | None = None
    else:
        pairs = ((1, 1), (1, 1), (1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (3, 1))
        a, b = pairs[rng.randrange(len(pairs))]
        counts, relation = ((first, a), (second, b)), _pick(rng, RELATIONS)
    return Scene(
        background,
        _jitter(rng, BACKGROUNDS[background], 5),
        counts,
        relation,
        _place(rng, counts, relation),
    )


def _pick(rng: random.Random, options: tuple[T, ...]) -> T:
    return options[rng.randrange(len(options))]


def _two_labels(rng: random.Random) -> tuple[str, str]:
    first = rng.randrange(len(LABELS))
    second = (first + 1 + rng.randrange(len(LABELS) - 1)) % len(LABELS)
    return LABELS[first], LABELS[second]


def _weighted(rng: random.Random, weights: tuple[int, ...]) -> int:
    """1-based index drawn by integer weights that sum to 100."""
    roll = rng.randrange(100)
    for index, weight in enumerate(weights, start=1):
        roll -= weight
        if roll < 0:
            return index
    return len(weights)


def _jitter(rng: random.Random, rgb: tuple[int, int, int], amount: int) -> tuple[int, int, int]:
    r, g, b = (min(255, max(0, c + rng.randrange(-amount, amount + 1))) for c in rgb)
    return r, g, b


def _place(
    rng: random.Random, counts: tuple[tuple[str, int], ...], relation: Direction | None
) -> tuple[Thing, ...]:
    """Put every object into a free slot, the kinds on the sides that the relation asks for."""
    things: list[Thing] = []
    for kind, (label, count) in enumerate(counts):
        shade = _jitter(rng, COLORS[label.split()[0]], 8)
        for (x, y), room in _slots(rng, count, None if relation is None else _side(relation, kind)):
            radius = room - rng.randrange(3)
            wobble = room - radius + 1
            dx, dy = (rng.randrange(-wobble, wobble + 1) for _ in range(2))
            things.append(Thing(label, x + dx, y + dy, radius, shade))
    return tuple(things)


def _side(relation: Direction, kind: int) -> Direction:
    return relation if kind == 0 else INVERSE[relation]


def _slots(rng: random.Random, count: int, side: str | None) -> list[tuple[tuple[int, int], int]]:
    """Slot centres with the largest radius each can take, in pixels of a 64 px picture."""
    if side is None:
        if count == 1:
            return [((20 + rng.randrange(25), 20 + rng.randrange(25)), 14)]
        corners = [(17, 17), (47, 17), (17, 47), (47, 47)]
        rng.shuffle(corners)
        return [(corner, 12) for corner in corners[:count]]
    across = 16 if side in ("left", "above") else 48
    along = {1: [24 + rng.randrange(17)], 2: [17, 47], 3: [11, 32, 53]}[count]
    room = {1: 13, 2: 12, 3: 9}[count]
    points = [(across, a) if side in ("left", "right") else (a, across) for a in along]
    return [(point, room) for point in points]
