"""Captioning pictures in several styles over one encoding of each picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from recap_assets.captioning.captioner import Captioner, Pictures
from recap_assets.captioning.decode import greedy
from recap_assets.experiment.errors import UserError

Prompts = Mapping[str, tuple[str, int]]


class Generated(NamedTuple):
    """A caption; whether the model ended it by itself; its tokens without prefix and end token."""

    text: str
    finished: bool
    n_tokens: int


def caption(
    captioner: Captioner,
    pictures: Pictures | Iterable[Pictures],
    prompts: Prompts,
    batch: int = 64,
) -> dict[str, list[Generated]]:
    """For each style the captions of all pictures, in their order; see `batches`."""
    results: dict[str, list[Generated]] = {style: [] for style in prompts}
    for made in batches(captioner, pictures, prompts, batch):
        for style, captions in made.items():
            results[style] += captions
    return results


def batches(
    captioner: Captioner,
    pictures: Pictures | Iterable[Pictures],
    prompts: Prompts,
    batch: int = 64,
) -> Iterator[dict[str, list[Generated]]]:
    """For each style the captions of one batch of pictures after the other, in their order.

    Args:
        pictures: uint8 [N, S, S, 3] fitted to `captioner.size`, or an iterator of such arrays,
            so that they need not all be in memory; at most `batch` pictures are encoded at once.
        prompts: style -> (text prefix, most tokens of a caption).

    Decoding is greedy and nothing is random: a caption depends on its picture and prefix only (on a
    GPU to the rounding of its matrix products, which may differ with the number of pictures).

    Raises:
        UserError: if prefix and caption are longer than the model can write.
        ValueError: if pictures have another size than the model's.
    """
    import torch

    prefixes = {style: _prefix(captioner, style, *prompt) for style, prompt in prompts.items()}
    for chunk in _chunks(pictures, batch):
        # Not around the yield: what happens between two batches is none of its business.
        with torch.inference_mode():
            encoded = captioner.model.vision_model(captioner.pixel_values(chunk)).last_hidden_state
            captioner.encodes += len(chunk)
            made = {
                style: greedy(
                    captioner.model.text_decoder, encoded, prefixes[style], captioner.end, limit
                )
                for style, (_, limit) in prompts.items()
            }
        yield {style: [_generated(captioner, row) for row in rows] for style, rows in made.items()}


def _prefix(captioner: Captioner, style: str, text: str, limit: int) -> list[int]:
    prefix = captioner.prefix(text)
    room = captioner.max_tokens - len(prefix)
    if limit > room:
        raise UserError(
            f"style {style!r}: max_tokens {limit} is more than the {room} tokens the captioner has "
            f"after its prompt; lower max_tokens to {room}"
        )
    return prefix


def _chunks(pictures: Pictures | Iterable[Pictures], batch: int) -> Iterator[Pictures]:
    arrays = [pictures] if isinstance(pictures, np.ndarray) else pictures
    for array in arrays:
        for start in range(0, len(array), batch):
            yield array[start : start + batch]


def _generated(captioner: Captioner, tokens: list[int]) -> Generated:
    finished = tokens[-1:] == [captioner.end]
    own = tokens[:-1] if finished else tokens
    text = captioner.tokenizer.decode(own, skip_special_tokens=True).strip()
    return Generated(text, finished, len(own))
