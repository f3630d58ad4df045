"""Simulated human captions of a scene, short and long, and the terse ones of the base captioner.

Short captions name what is there; long ones also say where, and on which background. Every draw
comes from the generator that the caller seeds.
"""

from __future__ import annotations

import random
from typing import Literal

from recap_assets.evaluation.prompts import Direction
from recap_assets.scenes.scene import INVERSE, Scene
from recap_assets.scenes.words import ADJECTIVES, NOUNS, NUMBERS, pick

Group = tuple[str, int]
Form = Literal["keywords", "sentence"]

_SHORT_OPENINGS = ("", "", "", "a picture of ", "an image of ", "a drawing with ")
_NEXT_TO = (" and ", " and ", " with ", " next to ")
_RELATION_PHRASES = {
    "left": (" to the left of ", " left of ", " on the left of "),
    "right": (" to the right of ", " right of ", " on the right of "),
    "above": (" above ", " over ", " on top of "),
    "below": (" below ", " under ", " beneath "),
}
_SIDES = {
    "left": ("on the left", "on the left side"),
    "right": ("on the right", "on the right side"),
    "above": ("at the top", "in the upper half"),
    "below": ("at the bottom", "in the lower half"),
}
_GROUNDS = ("on a {} background", "on a plain {} background", "against a {} background")

_FORMS: tuple[Form, ...] = ("keywords", "sentence")


def short(scene: Scene, rng: random.Random) -> str:
    """All objects with colour and count; no places, no background."""
    groups = _shuffled(scene.counts, rng)
    body = pick(rng, _NEXT_TO).join(noun_phrase(g, rng) for g in groups)
    return pick(rng, _SHORT_OPENINGS) + body


def long(scene: Scene, rng: random.Random) -> str:
    """Objects, counts, colours, places and the background, as one or two sentences."""
    ground = pick(rng, _GROUNDS).format(scene.background)
    if scene.relation is None:
        return _long_single(scene, ground, rng)
    flip = rng.randrange(2) == 1
    first, second = scene.counts[::-1] if flip else scene.counts
    relation = INVERSE[scene.relation] if flip else scene.relation
    a, b = noun_phrase(first, rng), noun_phrase(second, rng)
    there = "there is" if first[1] == 1 else "there are"
    between, here, across = _RELATION_PHRASES[relation], _SIDES[relation], _SIDES[INVERSE[relation]]
    forms = (
        f"{a}{pick(rng, between)}{b} {ground}",
        f"{ground}, {there} {a}{pick(rng, between)}{b}",
        f"{a} {pick(rng, here)} and {b} {pick(rng, across)}, {ground}",
        f"{there} {a} {pick(rng, here)} and {b} {pick(rng, across)}. "
        f"the background is {scene.background}",
    )
    return pick(rng, forms)


def _long_single(scene: Scene, ground: str, rng: random.Random) -> str:
    (group,) = scene.counts
    phrase = noun_phrase(group, rng)
    there = "there is" if group[1] == 1 else "there are"
    forms = (
        f"{phrase} {ground}",
        f"{ground}, {there} {phrase} and nothing else",
        f"{there} {phrase} in the picture, {ground}",
        f"a picture that shows {phrase}. the background is {scene.background}",
    )
    return pick(rng, forms)


def terse(scene: Scene, rng: random.Random, form: Form | None = None) -> str:
    """A true but incomplete note, as keywords or as a sentence; without `form` as either.

    Objects, colours, counts, places and the background are each left out at times.
    """
    groups = _shuffled(scene.counts, rng)
    if rng.randrange(100) < 60:
        groups = groups[:1]
    place = scene.relation is not None and rng.randrange(100) < 35
    ground = rng.randrange(100) < 35
    write = {"keywords": _keywords, "sentence": _sentence}[form or pick(rng, _FORMS)]
    return write(scene, groups, place, ground, rng)


def _keywords(
    scene: Scene, groups: list[Group], place: bool, ground: bool, rng: random.Random
) -> str:
    """Such as 'two red circles left, square, white background'."""
    notes = [_terse_group(g, rng) for g in groups]
    if place:
        notes[0] += f" {_own_side(scene, groups[0][0])}"
    if ground:
        notes.append(f"{scene.background} background")
    return ", ".join(notes)


def _sentence(
    scene: Scene, groups: list[Group], place: bool, ground: bool, rng: random.Random
) -> str:
    """Such as 'there are two circles on the left and a square'."""
    first, *rest = (_terse_group(g, rng, article=True) for g in groups)
    if place:
        first += f" {pick(rng, _SIDES[_own_side(scene, groups[0][0])])}"
    opening = pick(rng, (*_SHORT_OPENINGS, "there is " if groups[0][1] == 1 else "there are "))
    body = opening + pick(rng, _NEXT_TO).join((first, *rest))
    return f"{body} {pick(rng, _GROUNDS).format(scene.background)}" if ground else body


def _terse_group(group: Group, rng: random.Random, article: bool = False) -> str:
    label, count = group
    color, shape = label.split()
    singular, plural = pick(rng, NOUNS[shape])
    words = [plural if count > 1 else singular]
    if rng.randrange(100) < 75:
        words.insert(0, pick(rng, ADJECTIVES[color]))
    if rng.randrange(100) < 50:
        words.insert(0, NUMBERS[count])
    elif article and count == 1:
        words.insert(0, "a")
    return " ".join(words)


def _own_side(scene: Scene, label: str) -> Direction:
    assert scene.relation is not None
    return scene.relation if label == scene.counts[0][0] else INVERSE[scene.relation]


def noun_phrase(group: Group, rng: random.Random) -> str:
    """Such as 'a red circle', 'two violet rings', 'a pair of blue boxes'."""
    label, count = group
    color, shape = label.split()
    adjective = pick(rng, ADJECTIVES[color])
    singular, plural = pick(rng, NOUNS[shape])
    if count == 1:
        return f"{pick(rng, ('a', 'a', 'one'))} {adjective} {singular}"
    if count == 2 and rng.randrange(4) == 0:
        return f"a pair of {adjective} {plural}"
    return f"{NUMBERS[count]} {adjective} {plural}"


def _shuffled(counts: tuple[Group, ...], rng: random.Random) -> list[Group]:
    groups = list(counts)
    rng.shuffle(groups)
    return groups
