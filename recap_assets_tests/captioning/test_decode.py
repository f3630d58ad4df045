"""Tokens, against `generate` of transformers and against probabilities worked out apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.choose import Row
from recap_assets.captioning.decode import Written, write
from recap_assets.captioning.read import read
from recap_assets_tests.captioning.lively import by_transformers, lively
from recap_assets_tests.captioning.pictures import images, noise

SETTINGS: dict[str, dict[str, Any]] = {
    "none": {},
    "repetition_penalty": {"repetition_penalty": 1.4},
    "no_repeat_ngram_size": {"no_repeat_ngram_size": 1},
    "suppress_tokens": {"suppress_tokens": list(range(40, 60))},
    "begin_suppress_tokens": {"begin_suppress_tokens": list(range(30, 90))},
    "forced_bos_token_id": {"forced_bos_token_id": 44},
    "forced_bos_and_begin": {"forced_bos_token_id": 44, "begin_suppress_tokens": [50, 51, 52]},
    "forced_eos_token_id": {"forced_eos_token_id": 3},
    "min_new_tokens": {"min_new_tokens": 6},
    "min_length": {"min_length": 8},
    "bad_words_ids": {"bad_words_ids": [[n] for n in range(40, 50)] + [[60, 61]]},
    "sequence_bias": {"sequence_bias": [[[n], 5.0] for n in range(50, 54)]},
    "exponential_decay": {"exponential_decay_length_penalty": (3, 1.4)},
    "remove_invalid_values": {"remove_invalid_values": True},
    "several": {"repetition_penalty": 1.3, "no_repeat_ngram_size": 3, "min_new_tokens": 5},
}
PROMPTS = ("", "short caption:", "a long red wall")


def written(captioner: Captioner, pictures: np.ndarray, rows: list[tuple[int, str, Row]]) -> Any:
    family = captioner.family
    with torch.inference_mode():
        memory = family.encode(read(captioner, images(pictures)))
        at = torch.tensor([number for number, _, _ in rows])
        limit = max(row.limit for _, _, row in rows)
        decoding = family.prime(memory, at, [prompt for _, prompt, _ in rows], limit)
        return write(decoding, [row for _, _, row in rows], family.ends, family.generation)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_greedy_tokens_are_those_of_transformers(settings: dict[str, Any]) -> None:
    captioner, pictures = lively(5), noise(6)
    captioner.family.generation.update(**settings)
    limits = (10, 12, 14)
    rows = [(n, p, Row(k)) for n in range(6) for p, k in zip(PROMPTS, limits, strict=True)]
    got = [one.tokens for one in written(captioner, pictures, rows)]
    for number, (prompt, limit) in enumerate(zip(PROMPTS, limits, strict=True)):
        assert got[number::3] == by_transformers(captioner, pictures, prompt, limit)
    lengths = {len(tokens) for tokens in got}
    assert len(lengths) > 1 and len({tuple(tokens) for tokens in got}) > 6


def test_settings_change_tokens() -> None:
    """Or the test above would prove nothing."""

    def said(**settings: Any) -> list[list[list[int]]]:
        captioner = lively(5)
        captioner.family.generation.update(**settings)
        return [by_transformers(captioner, noise(6), prompt, 12) for prompt in PROMPTS]

    plain = said()
    same = [name for name, settings in SETTINGS.items() if said(**settings) == plain]
    assert same == ["none", "remove_invalid_values"]


def test_scores_are_mean_log_probabilities_by_the_whole_model() -> None:
    captioner, pictures = lively(5), noise(2)
    family = captioner.family
    rows = [(n, "short caption:", Row(9, 1.0, 1.0, 5, k)) for n in range(2) for k in range(2)]
    for (number, prompt, _), one in zip(rows, written(captioner, pictures, rows), strict=True):
        prefix = family.prefix(prompt)
        ids = torch.tensor([[*prefix, *one.tokens]])
        pixels = family.image_processor(images=images(pictures[number : number + 1]))
        with torch.no_grad():
            output = family.model(
                pixel_values=torch.tensor(np.array(pixels["pixel_values"])), input_ids=ids
            )
        chances = output.logits.log_softmax(-1)[0, len(prefix) - 1 : -1]
        expected = [chances[i, token].item() for i, token in enumerate(one.tokens)]
        assert one.score == pytest.approx(np.mean(expected), abs=1e-4)


def test_rows_draw_the_same_whatever_stands_beside_them() -> None:
    captioner, pictures = lively(5), noise(5)
    rows = [
        (n, prompt, Row(limit, 1.2, top_p, seed=n * 7, candidate=k))
        for n in range(5)
        for prompt, limit, top_p in (("", 6, 1.0), ("short caption:", 13, 0.8))
        for k in range(2)
    ]
    greedy = [(n, "a long red wall", Row(10)) for n in range(5)]
    mixed = sorted([*rows, *greedy], key=lambda row: row[0])
    together = dict(zip(mixed, written(captioner, pictures, mixed), strict=True))
    for row in mixed:
        number, prompt, how = row
        alone: list[Written] = written(captioner, pictures[number : number + 1], [(0, prompt, how)])
        assert alone[0].tokens == together[row].tokens
    drawn = [tuple(one.tokens) for row, one in together.items() if row[2].temperature]
    assert len(set(drawn)) > 0.6 * len(drawn)
