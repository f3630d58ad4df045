from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.evaluation.lexicon import Lexicon
from recap_assets.experiment.errors import UserError

LEXICON = Lexicon.build(
    {
        "dog": ["dog", "dogs", "puppy"],
        "hot dog": ["hot dog", "Hot Dogs"],
        "person": ["baby", "person"],
        "bird": ["bird", "baby bird"],
        "red circle": ["red circle", "red circles", "red-rimmed disc"],
    }
)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("A hot dog and a dog.", ["hot dog", "dog"]),
        ("a baby bird", ["bird"]),
        ("a baby and a bird", ["person", "bird"]),
        ("hot\n dogs, HOT-DOG!", ["hot dog", "hot dog"]),
        ("Two red circles; a RED circle", ["red circle", "red circle"]),
        ("red-rimmed disc, red rimmed disc", ["red circle", "red circle"]),
        ("the dog's bowl", ["dog"]),
        ("dogma, hotdog, a doghouse, subdog_1", []),
        ("", []),
    ],
)
def test_the_longest_phrase_wins_and_consumes_its_words(text: str, labels: list[str]) -> None:
    assert LEXICON.mentions(text) == labels


WORDS = ["hot", "dog", "baby", "bird", "puppy", "the", "red", "circle"]


@given(st.lists(st.sampled_from(WORDS), max_size=10))
def test_a_scan_word_by_word_finds_the_same(words: list[str]) -> None:
    expected, i = [], 0
    while i < len(words):
        options = [" ".join(words[i : i + n]) for n in (3, 2, 1)]
        phrase = next((option for option in options if option in LEXICON.phrases), None)
        expected += [LEXICON.phrases[phrase]] if phrase else []
        i += len(phrase.split()) if phrase else 1
    assert LEXICON.mentions(" ".join(words)) == expected


def test_loads_json(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.json"
    path.write_text(json.dumps({"Bär": ["bär"]}), encoding="utf-8")
    assert Lexicon.load(path).mentions("Ein BÄR") == ["Bär"]


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        '{"a": "a"}',
        '{"a": []}',
        '{"a": [" "]}',
        '{"a": [1]}',
        '{"a": ["x y"], "b": ["X  y"]}',
    ],
)
def test_a_bad_lexicon_is_a_user_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "lexicon.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"lexicon\.json"):
        Lexicon.load(path)
    with pytest.raises(UserError, match="cannot be read"):
        Lexicon.load(tmp_path / "none.json")
