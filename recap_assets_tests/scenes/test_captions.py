"""Simulated captions name exactly what is there; terse ones leave out but never lie."""

from __future__ import annotations

import random
import re

import pytest

from recap_assets.scenes.captions import long, short, terse
from recap_assets.scenes.scene import BACKGROUNDS, Scene, sample
from recap_assets.scenes.words import ADJECTIVES, NOUNS
from recap_assets_tests.scenes import reading

CASES = [(sample(seed), random.Random(seed)) for seed in range(1500)]
_OPENINGS = ("a picture of", "an image of", "a drawing with", "there is", "there are")
_NUMBERS = {"a": 1, "one": 1, "two": 2, "three": 3, "four": 4}


@pytest.mark.parametrize("write", [short, long])
def test_captions_name_exactly_the_objects(write: object) -> None:
    for scene, rng in CASES:
        text = write(scene, rng)  # type: ignore[operator]
        assert reading.counts(text) == dict(scene.counts), text
        assert reading.plural_is_right(text), text
        assert text == text.strip().lower()


def test_short_captions_say_neither_where_nor_on_what() -> None:
    for scene, rng in CASES:
        text = short(scene, rng)
        assert "background" not in text
        assert not [place for place in reading.PLACES if re.search(rf"\b{place}\b", text)], text
        assert not [ground for ground in BACKGROUNDS if ground in text.split()], text


def test_long_captions_say_where_and_on_what() -> None:
    for scene, rng in CASES:
        text = long(scene, rng)
        assert reading.background(text) == scene.background, text
        stated = reading.relation(text)
        if scene.relation is None:
            assert stated is None, text
        else:
            assert stated is not None, text
            assert reading.holds(stated, scene), text


def test_the_wording_varies() -> None:
    scene = next(s for s, _ in CASES if s.relation)
    assert len({short(scene, random.Random(i)) for i in range(200)}) > 20
    assert len({long(scene, random.Random(i)) for i in range(200)}) > 50
    assert long(scene, random.Random(7)) == long(scene, random.Random(7))


def test_terse_notes_are_true() -> None:
    for scene, rng in CASES:
        text = terse(scene, rng)
        phrases, grounds = told(text)
        assert all(any(fits(p, scene, group) for group in scene.counts) for p in phrases), text
        assert 1 <= len(phrases) <= len(scene.counts)
        assert grounds in ([], [scene.background])


def test_terse_notes_are_keywords_or_sentences() -> None:
    texts = [terse(scene, rng) for scene, rng in CASES]
    assert 0.35 < sum(is_sentence(text) for text in texts) / len(texts) < 0.55


def test_terse_notes_leave_something_out() -> None:
    texts = [terse(scene, rng) for scene, rng in CASES]
    without_background = sum("background" not in text for text in texts) / len(texts)
    assert 0.6 < without_background < 0.7
    counted = sum(
        bool((_NUMBERS.keys() - {"a"}) & set(text.replace(",", "").split())) for text in texts
    )
    assert 0.4 < counted / len(texts) < 0.8


def told(text: str) -> tuple[list[str], list[str]]:
    """What a terse note says of objects, one phrase each, with 'left' for any wording of it."""
    for direction, phrases in reading.SIDES.items():
        for phrase in sorted(phrases, key=len, reverse=True):
            text = text.replace(phrase, direction)
    text = re.sub(f"^({'|'.join(_OPENINGS)}) ", "", text)
    ground = re.compile(r"(?:,| (?:on|against) a)(?: plain)? (\w+) background$")
    return re.split(", | and | with | next to ", ground.sub("", text)), ground.findall(text)


def is_sentence(text: str) -> bool:
    """Whether a terse note has a function word, as keywords never do."""
    return bool({"a", "an", "there", "and", "with", "next"} & set(text.split()))


def fits(note: str, scene: Scene, group: tuple[str, int]) -> bool:
    """Whether every word of a terse note is true of this group of objects."""
    label, count = group
    color, shape = label.split()
    sides = {d for a, d, b in scene.relations if a == label}
    sides |= {reading.OPPOSITE[d] for a, d, b in scene.relations if b == label}
    forms = {pair[count > 1] for pair in NOUNS[shape]}
    return all(
        word in forms or word in ADJECTIVES[color] or word in sides or _NUMBERS.get(word) == count
        for word in note.split()
    )
