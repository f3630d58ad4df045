"""The tokenizer that says how much of a caption a text-to-image model reads."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from recap_assets.diffusion.families.family import TextPart
from recap_assets.diffusion.index import read_index, reason
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import folder_digest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def tokenizer(model: str | Path, revision: str | None = None) -> PreTrainedTokenizerBase:
    """That of the text encoder with the longest context, without loading the model.

    Its `model_max_length` is the most tokens that the pipeline reads.

    Raises:
        UserError: if it cannot be loaded.
    """
    part = read_index(model, revision).reader
    folder = Path(model) / part.tokenizer
    content = folder_digest(folder) if folder.is_dir() else ""
    return _tokenizer(str(model), revision, part, content)


@lru_cache(maxsize=4)
def _tokenizer(
    model: str, revision: str | None, part: TextPart, content: str
) -> PreTrainedTokenizerBase:
    """`content` has a folder that changed read again."""
    import transformers

    limit = {} if part.limit is None else {"model_max_length": part.limit}
    try:
        words = getattr(transformers, part.words).from_pretrained(
            model, subfolder=part.tokenizer, revision=revision, **limit
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"text-to-image model {model}: no usable tokenizer ({reason(error)}); "
            "name a model that has one"
        ) from error
    check_vocabulary(model, words)
    return words


def check_vocabulary(model: str | Path, words: PreTrainedTokenizerBase) -> None:
    """Raises UserError of the empty tokenizer that transformers makes where it finds no file."""
    if not set(words.get_vocab()) - set(words.all_special_tokens):
        raise UserError(
            f"text-to-image model {model}: no usable tokenizer (it has no vocabulary); "
            "name a model that has one"
        )
