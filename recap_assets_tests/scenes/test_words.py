"""The lexicon of the scenes: every label, and no phrase for two of them."""

from __future__ import annotations

from recap_assets.evaluation.lexicon import Lexicon
from recap_assets.scenes.scene import LABELS
from recap_assets.scenes.words import lexicon, nouns


def test_every_label_has_its_own_phrases() -> None:
    phrases = lexicon()
    assert tuple(phrases) == LABELS
    assert phrases["red circle"] == ["red circle", "red circles", "red disc", "red discs"]
    assert phrases["purple star"] == ["purple star", "purple stars", "violet star", "violet stars"]
    every = [phrase for said in phrases.values() for phrase in said]
    assert len(every) == len(set(every))


def test_the_lexicon_reads_its_own_phrases() -> None:
    read = Lexicon.build(lexicon())
    for label, phrases in lexicon().items():
        for phrase in phrases:
            assert read.mentions(f"there is a {phrase}, at last") == [label]
    assert read.mentions("red white and circles, boxed reds") == []


def test_all_nouns() -> None:
    assert len(nouns()) == 20
    assert {"box", "boxes", "pluses", "hoop"} <= set(nouns())
