from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from recap_assets.captions.tokens import counter, once, recount
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import model_digest


def save_tokenizer(folder: Path, *words: str) -> Path:
    """A tokenizer of whole words that ends every text with </s>, as T5's does."""
    vocabulary = {word: place for place, word in enumerate(["<unk>", "</s>", *words])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>").save_pretrained(folder)
    return folder


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def test_a_folder_of_a_tokenizer_counts_with_its_end(tmp_path: Path) -> None:
    count = counter(save_tokenizer(tmp_path / "t5", "a", "red", "cat"))
    assert count(["", "a red cat", "an unknown, thing"]) == [1, 4, 5]
    assert count([]) == []


def test_a_tokenizer_that_changed_is_read_again(tmp_path: Path) -> None:
    folder = save_tokenizer(tmp_path / "t5", "a")
    before = model_digest(folder)
    assert counter(folder)(["a-b"]) == [4]
    made = Tokenizer.from_file(str(folder / "tokenizer.json"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=made).save_pretrained(folder)
    assert counter(folder)(["a-b"]) == [2]
    assert model_digest(folder) != before


def test_no_tokenizer_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no usable tokenizer") as caught:
        counter(tmp_path)
    assert "\n" not in str(caught.value)


def test_recounting_changes_the_counts_and_nothing_else() -> None:
    old = {"caption": ["a b", ""], "n_tokens_clip": [9, 9], "n_tokens_t5": [8, 8]}
    rows = pl.DataFrame(old).cast({"n_tokens_clip": pl.Int32, "n_tokens_t5": pl.Int32})
    found = recount(rows, {"n_tokens_clip": words, "n_tokens_t5": None})
    assert found.schema == rows.schema
    assert found["caption"].to_list() == ["a b", ""]
    assert found["n_tokens_clip"].to_list() == [2, 0]
    assert found["n_tokens_t5"].to_list() == [None, None]


def test_texts_are_counted_once() -> None:
    asked: list[str] = []

    def count(texts: Sequence[str]) -> list[int]:
        asked.extend(texts)
        return words(texts)

    counted = once(count)
    assert counted(["a b", "c", "a b"]) == [2, 1, 2]
    assert counted(["d e f", "c"]) == [3, 1]
    assert asked == ["a b", "c", "d e f"]
