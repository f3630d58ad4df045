"""CLIP's byte-level BPE, its merges learned from given texts; the same texts give the same one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

#: CLIP's token after a text, which also fills up a prompt.
END = "<|endoftext|>"


def tokenizer(
    texts: Sequence[str], length: int, *, pad: str = END, size: int = 1000
) -> CLIPTokenizer:
    """A tokenizer of at most `size` tokens, for prompts of `length` tokens with start and end.

    As in CLIP's own vocabulary every byte is a token twice, within a word and at its end, so that
    all texts can be written. The trainer would number those at a word's end in the order of a hash
    table, which differs from one training to the next, and break ties between merges by it; named
    beforehand they have an order.
    """
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    ends = [f"{byte}</w>" for byte in sorted(ByteLevel.alphabet())]
    learned = CLIPTokenizer().train_new_from_iterator(
        texts, size, new_special_tokens=ends, show_progress=False
    )
    bpe = json.loads(learned.backend_tokenizer.to_str())["model"]
    # Made anew from its parts, so that the ends of words are tokens like others.
    merges = [tuple(pair) for pair in bpe["merges"]]
    return CLIPTokenizer(vocab=bpe["vocab"], merges=merges, pad_token=pad, model_max_length=length)
