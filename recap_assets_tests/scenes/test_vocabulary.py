"""A tokenizer learned from texts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from transformers import CLIPTokenizer

from recap_assets.scenes.pretrain.vocabulary import END, tokenizer
from recap_assets_tests.diffusion.models.parts import CAPTIONS

LENGTH = 26


@pytest.fixture(scope="module")
def words() -> CLIPTokenizer:
    return tokenizer(CAPTIONS, LENGTH)


def plain(texts: list[str]) -> CLIPTokenizer:
    return CLIPTokenizer().train_new_from_iterator(texts, 1000, show_progress=False)


def written(words: CLIPTokenizer) -> str:
    return str(words.backend_tokenizer.to_str())


def differ(learn: Callable[[list[str]], CLIPTokenizer]) -> bool:
    return len({written(learn(CAPTIONS)) for _ in range(8)}) > 1


def test_the_same_texts_give_the_same_tokenizer() -> None:
    assert differ(plain)  # which is why this is not the trainer alone
    assert not differ(lambda texts: tokenizer(texts, LENGTH))


def test_the_merges_are_those_that_the_texts_have(words: CLIPTokenizer) -> None:
    for caption in CAPTIONS:
        assert words.tokenize(caption) == plain(CAPTIONS).tokenize(caption)
        assert words.tokenize(caption) == [f"{word}</w>" for word in caption.split()]


@pytest.mark.parametrize("text", ["zebra's xylophone", "é 12 ∑", "猫 🎨", "</w>"])
def test_a_text_of_other_letters_can_be_written(words: CLIPTokenizer, text: str) -> None:
    read = words(text, add_special_tokens=False).input_ids
    assert words.unk_token_id not in read
    assert words.decode(read).replace(" ", "") == text.replace(" ", "")


def test_the_ends_of_words_are_tokens_like_others(words: CLIPTokenizer) -> None:
    assert set(words.all_special_tokens) == {"<|startoftext|>", END}
    assert words.tokenize("e</w>") == ["e</w>", "<", "/</w>", "w</w>", "></w>"]
