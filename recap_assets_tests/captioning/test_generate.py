from __future__ import annotations

import numpy as np
import pytest
import torch

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.generate import caption
from recap_assets.captioning.question import Generated
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.pictures import CAPTIONS, PREFIXES, images, noise, small, walls

PROMPTS = {style: (prefix, 16) for style, prefix in PREFIXES.items()}


def by_transformers(
    captioner: Captioner, pictures: np.ndarray, prefix: str, limit: int
) -> list[list[int]]:
    """Tokens after the prefix up to the first padding, from `generate` of transformers."""
    family = captioner.family
    prompt = family.tokenizer([prefix] * len(pictures), return_tensors="pt")["input_ids"]
    pixels = family.image_processor(images=images(pictures), return_tensors="pt")["pixel_values"]
    output = family.model.generate(pixel_values=pixels, input_ids=prompt, max_new_tokens=limit)
    pad = family.tokenizer.pad_token_id
    return [[t for t in row if t != pad] for row in output[:, prompt.shape[1] - 1 :].tolist()]


def test_pictures_learnt_by_heart_are_captioned_word_for_word(
    learnt: tuple[Captioner, list[float]],
) -> None:
    got = caption(learnt[0], images(walls()), PROMPTS)
    assert {style: [g.text for g in rows] for style, rows in got.items()} == CAPTIONS
    assert all(g.finished for rows in got.values() for g in rows)
    assert got["short"][0].n_tokens == 3


@pytest.mark.parametrize("limit", [1, 2, 5, 16])
def test_tokens_are_those_of_transformers(
    learnt: tuple[Captioner, list[float]], limit: int
) -> None:
    captioner = learnt[0]
    # Noise beside the walls makes captions that end at different steps.
    pictures = np.concatenate([walls(), noise(9), walls() // 2])
    for style, prefix in PREFIXES.items():
        got = caption(captioner, images(pictures), {style: (prefix, limit)})[style]
        expected = by_transformers(captioner, pictures, prefix, limit)
        ended = [row[-1] in captioner.family.ends for row in expected]
        assert [g.finished for g in got] == ended
        assert [g.n_tokens for g in got] == [
            len(r) - e for r, e in zip(expected, ended, strict=True)
        ]
        texts = captioner.family.tokenizer.batch_decode(expected, skip_special_tokens=True)
        assert [g.text for g in got] == texts


def test_tokens_are_those_of_transformers_for_random_weights() -> None:
    captioner = small(3)
    # Larger weights than those of a new model, or every picture would get the same tokens.
    with torch.no_grad():
        for parameter in captioner.family.model.parameters():
            parameter.mul_(4)
    pictures = noise(12)
    expected = by_transformers(captioner, pictures, "", 20)
    assert len({tuple(row) for row in expected}) > 3
    got = caption(captioner, images(pictures), {"free": ("", 20)})["free"]
    texts = captioner.family.tokenizer.batch_decode(expected, skip_special_tokens=True)
    assert [g.text for g in got] == [text.strip() for text in texts]


def test_one_encoding_serves_every_style(learnt: tuple[Captioner, list[float]]) -> None:
    captioner = learnt[0]
    calls: list[int] = []
    hook = captioner.family.model.vision_model.register_forward_pre_hook(
        lambda _, args: calls.append(len(args[0]))
    )
    before = captioner.encodes
    caption(captioner, images(noise(7)), PROMPTS, batch=4)
    hook.remove()
    assert calls == [4, 3]
    assert captioner.encodes - before == 7


def test_batch_mates_order_and_batch_size_do_not_matter(
    learnt: tuple[Captioner, list[float]],
) -> None:
    captioner, pictures = learnt[0], np.concatenate([noise(6), walls()])
    together = caption(captioner, images(pictures), PROMPTS)
    backwards = caption(captioner, images(pictures[::-1]), PROMPTS, batch=3)
    for style in PROMPTS:
        assert backwards[style][::-1] == together[style]
        alone = [caption(captioner, images(p[None]), PROMPTS)[style][0] for p in pictures]
        assert alone == together[style]


def test_a_caption_that_was_cut_says_so(learnt: tuple[Captioner, list[float]]) -> None:
    got = caption(learnt[0], images(walls()[:1]), {"long": (PREFIXES["long"], 4)})["long"][0]
    assert got == Generated("a wall that is", False, 4)


def test_no_pictures_no_captions() -> None:
    assert caption(small(), images(noise(0)), PROMPTS) == {"short": [], "long": []}


def test_a_limit_beyond_the_model_is_told_with_the_one_that_fits() -> None:
    captioner = small()
    with pytest.raises(UserError, match=r"style 'long': max_tokens 21 .* lower max_tokens to 20"):
        caption(captioner, images(walls()), {"long": (PREFIXES["long"], 21)})
    got = caption(captioner, images(walls()), {"long": (PREFIXES["long"], 20)})
    assert len(got["long"]) == 4
