"""Small BPE vocabularies in the two forms of today's decoders, trained on a few texts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from tokenizers import Tokenizer, pre_tokenizers, trainers
from tokenizers.models import BPE

TEXTS = (
    "short caption: long caption: describe the picture",
    "a red wall, a green wall, a blue wall, a gray wall",
    "a wall that is red, and nothing else. everything is green. blue paint",
    "USER: ASSISTANT: User: Assistant: system user assistant You are a helpful assistant.",
)


class Bpe(NamedTuple):
    """Token -> id, and the pairs that are merged, in their order."""

    vocab: dict[str, int]
    merges: list[tuple[str, str]]


def byte_level(special: Iterable[str], size: int = 400) -> Bpe:
    """As GPT-2's: every byte is a letter; special tokens come first."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return _train(pre_tokenizers.ByteLevel(add_prefix_space=False), special, alphabet, size)


def metaspace(special: Iterable[str], size: int = 400) -> Bpe:
    """As SentencePiece's: a space is written ▁, and bytes stand for unknown letters."""
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    splitter = pre_tokenizers.Metaspace(prepend_scheme="never")
    return _train(splitter, [*special, *bytes_], ["▁", "\n"], size)


def _train(splitter: object, special: Iterable[str], alphabet: list[str], size: int) -> Bpe:
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = splitter
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(special),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return Bpe(model["vocab"], [(left, right) for left, right in model["merges"]])
