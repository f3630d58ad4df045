from __future__ import annotations

import numpy as np
import pytest

from recap_assets.evaluation.skew import c2st, c2st_length_matched

ALT = ["photo", "sale", "image", "buy", "cheap", "new", "best", "img", "stock", "shop"]
SCENE = ["red", "blue", "circle", "square", "left", "right", "two", "three", "of", "a"]


def texts(vocabulary: list[str], n: int, length: int, seed: int) -> list[str]:
    draws = np.random.default_rng(seed).choice(vocabulary, (n, length))
    return [" ".join(row) for row in draws]


def test_two_halves_of_one_corpus_cannot_be_told_apart() -> None:
    found = [
        score(texts(SCENE, 200, 8, 2 * i), texts(SCENE, 200, 8, 2 * i + 1))
        for i in range(3)
        for score in (c2st, c2st_length_matched)
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=0.05)
    assert all(0.4 < value < 0.6 for value in found)


def test_different_vocabularies_are_told_apart_wholly() -> None:
    alt, scene = texts(ALT, 60, 8, 0), texts(SCENE, 60, 8, 1)
    assert c2st(alt, scene) == 1.0
    assert c2st_length_matched(alt, scene) == 1.0


def test_length_alone_is_seen_raw_and_gone_when_matched() -> None:
    long, short = texts(SCENE, 200, 24, 0), texts(SCENE, 200, 4, 1)
    raw, matched = c2st(long, short), c2st_length_matched(long, short)
    assert raw is not None and matched is not None
    assert raw > 0.9
    assert matched == pytest.approx(0.5, abs=0.1)


def test_classes_are_balanced() -> None:
    """Guessing the larger side would otherwise score 20 / 21."""
    found = c2st(texts(SCENE, 1000, 8, 0), texts(SCENE, 50, 8, 1))
    assert found is not None
    assert found < 0.7


def test_equal_seeds_give_equal_values() -> None:
    a, b = texts(SCENE, 300, 6, 0), texts([*SCENE, "star"], 40, 6, 1)
    assert c2st(a, b, seed=7) == c2st(a, b, seed=7)
    assert len({c2st(a, b, seed=seed) for seed in range(4)}) > 1


def test_too_few_or_wordless_texts_have_no_value() -> None:
    assert c2st(texts(SCENE, 9, 5, 0), texts(SCENE, 50, 5, 1)) is None
    assert c2st([""] * 50, ["..."] * 50) is None
    assert c2st_length_matched([""] * 50, texts(SCENE, 50, 5, 1)) is None
    assert c2st([""] * 50, texts(SCENE, 50, 5, 1)) == 1.0
