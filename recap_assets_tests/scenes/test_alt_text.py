"""Alt-text: the share of useful texts follows the dose of noise, and failures look like such."""

from __future__ import annotations

import random

import pytest

from recap_assets.scenes.alt_text import alt_text
from recap_assets.scenes.scene import Scene, sample
from recap_assets.scenes.words import FOREIGN_NOUNS
from recap_assets_tests.scenes.reading import LEXICON, counts

SCENES = [sample(seed) for seed in range(2000)]


def informative(scene: Scene, text: str) -> bool:
    """Whether the text names every label of the scene, once, and no other."""
    return sorted(LEXICON.mentions(text)) == sorted(label for label, _ in scene.counts)


def texts(noise: float) -> list[str]:
    """One alt-text a scene, drawn from the same seeds at every dose."""
    return [alt_text(scene, random.Random(n), noise) for n, scene in enumerate(SCENES)]


@pytest.mark.parametrize(("noise", "low", "high"), [(0, 1, 1), (0.5, 0.46, 0.54), (1, 0, 0)])
def test_the_dose(noise: float, low: float, high: float) -> None:
    told = sum(map(informative, SCENES, texts(noise))) / len(SCENES)
    assert low <= told <= high


def test_useful_texts_state_neither_counts_nor_places() -> None:
    for text in texts(0):
        assert counts_of(text) == {}
        assert "left" not in text


def test_a_higher_dose_only_takes_away() -> None:
    some, more = texts(0.3), texts(0.8)
    kept = [informative(scene, text) for scene, text in zip(SCENES, more, strict=True)]
    assert all(a == b for a, b, keep in zip(some, more, kept, strict=True) if keep)
    assert 0.15 < sum(kept) / len(kept) < 0.25


def test_the_failures_are_those_of_the_web() -> None:
    failed = texts(1)
    foreign = {noun for names in FOREIGN_NOUNS.values() for noun in names}
    wrong = [
        (scene, LEXICON.mentions(text))
        for scene, text in zip(SCENES, failed, strict=True)
        if LEXICON.mentions(text)
    ]
    assert all(not set(said) & {label for label, _ in scene.counts} for scene, said in wrong)
    kinds = {
        "wrong": len(wrong),
        "empty": failed.count(""),
        "foreign": sum(text in foreign for text in failed),
        "file": sum(any(c.isdigit() for c in text) for text in failed),
    }
    assert all(0.13 < number / len(failed) < 0.21 for number in kinds.values()), kinds


def counts_of(text: str) -> dict[str, int]:
    """Counts stated by a text that may state none."""
    return counts(text) if any(word in text.split() for word in ("a", "one", "two")) else {}
