from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.captions.status import clean, judge


@pytest.mark.parametrize(
    ("caption", "finished", "status"),
    [
        ("two red circles left of a blue square", True, "ok"),
        ("two red circles left of a blue", False, "truncated"),
        ("", True, "empty"),
        ("   \n", False, "empty"),
        ("...!", True, "empty"),
        # One word, two words, three words, four times in a row; three times is no loop.
        ("a very very very very big cat", True, "looped"),
        ("a very very very big cat", True, "ok"),
        ("a cat on a mat, on a mat, on a mat, on a mat", False, "looped"),
        ("a cat on a mat, on a mat, on a mat, and a dog", False, "truncated"),
        ("Red red RED red", True, "looped"),
        ("一只猫一只猫一只猫一只猫", True, "looped"),
        ("一只黑色的猫坐在红色的垫子上", True, "ok"),
        # Half of eight words is one word; half of six is too short to tell.
        ("the cat the dog the bird the fish", True, "looped"),
        ("the cat the dog the bird", True, "ok"),
        ("a red circle, a green square and a blue star on white", True, "ok"),
        # A loop fills its limit, and is still a loop.
        ("dog dog dog dog", False, "looped"),
        ("I'm sorry, but I can't describe this picture.", True, "refused"),
        ("I\u2019m unable to see the picture", True, "refused"),
        ("Sorry, no.", True, "refused"),
        ("Unfortunately, I cannot help.", True, "refused"),
        ("As an AI language model I have no eyes", False, "refused"),
        ("The picture, as a language model sees it, is red", True, "refused"),
        ("I do not see any picture", True, "refused"),
        ("There is no image attached to your message.", True, "refused"),
        ("Please upload the picture that you mean", True, "refused"),
        ("Es tut mir leid, ich sehe kein Bild", True, "refused"),
        ("Désolé, je ne vois pas d'image", True, "refused"),
        ("Lo siento, no puedo ver la imagen", True, "refused"),
        ("抱歉，我无法查看图片", True, "refused"),
        ("申し訳ありませんが", True, "refused"),
        # One word without an end, and words that only repeat themselves a little.
        ("a cat sat aaaaaaaaaaaaaaaa", False, "looped"),
        ("hahahahahahahahahahahaha", True, "looped"),
        ("a sign that says 1000000000000000", True, "ok"),
        ("zzz above a sleeping cat", True, "ok"),
        # Nothing to read, whatever its bytes.
        ("\x00\u200b\ufeff", True, "empty"),
        ("😀😀😀", True, "empty"),
        # Words of a refusal that a picture can show.
        ("eine Karte mit den Worten: es tut mir leid", True, "ok"),
        ("no image of a dog, a cat", True, "ok"),
        ('a sign that says "I am sorry, I cannot come"', True, "ok"),
        ("a sorry looking dog", True, "ok"),
        ("an apology card", True, "ok"),
        ("ice cream on a table", True, "ok"),
    ],
)
def test_judge_by_hand(caption: str, finished: bool, status: str) -> None:
    assert judge(caption, finished) == status


@given(
    st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=5),
    st.lists(st.sampled_from("uvwxyz"), max_size=8),
    st.booleans(),
)
def test_any_phrase_four_times_is_a_loop(
    phrase: list[str], start: list[str], finished: bool
) -> None:
    assert judge(" ".join(start + phrase * 4), finished) == "looped"


@given(st.lists(st.integers(), unique=True, min_size=1, max_size=30))
def test_different_words_are_no_loop(words: list[int]) -> None:
    assert judge(" ".join(f"w{abs(word)}x{word < 0}" for word in words), True) == "ok"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a cat\r\n on\ta  mat ", "a cat on a mat"),
        ("cafe\u0301", "caf\u00e9"),
        ("a\u00a0cat\u2028sits", "a cat sits"),
        ("nul\x00l and \ufeffmark", "null and mark"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("Two cats; 3 dogs!", "Two cats; 3 dogs!"),
    ],
)
def test_clean_by_hand(text: str, expected: str) -> None:
    assert clean(text) == expected


@given(st.text(st.characters()))
def test_clean_is_idempotent_storable_and_one_line(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert once.encode("utf-8").decode("utf-8") == once
    assert once == once.strip()
    assert len(once.splitlines()) <= 1
    assert unicodedata.is_normalized("NFC", once)


@given(st.text("abc 0123XYZ,.-"))
def test_clean_keeps_every_word(text: str) -> None:
    assert clean(text).split() == text.split()
