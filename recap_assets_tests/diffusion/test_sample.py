from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from recap_assets.diffusion.families.stable_diffusion import StableDiffusion
from recap_assets.diffusion.sample import sample
from recap_assets.experiment.fingerprint import seed as seed_of
from recap_assets_tests.diffusion.making import CAPTIONS, LATENT, SIZE

ASKED = [(f"p{i}", CAPTIONS[i % 3], i % 2) for i in range(5)]
STEPS, GUIDANCE = 3, 3.0


def drawn(
    family: StableDiffusion,
    asked: list[tuple[str, str, int]],
    batch: int = 2,
    seed: int = 7,
) -> list[np.ndarray]:
    return list(sample(family, asked, STEPS, GUIDANCE, batch, seed))


def far(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def starts(family: StableDiffusion) -> list[torch.Tensor]:
    """Fills with the noise that each picture starts from as pictures are drawn."""
    found: list[torch.Tensor] = []
    prepare = family.pipeline.prepare_latents

    def recorded(*args: object, **kwargs: object) -> torch.Tensor:
        latents = prepare(*args, **kwargs)
        found.extend(latents.clone())
        return latents

    family.pipeline.prepare_latents = recorded
    return found


def test_pictures_come_in_order_as_bytes_and_are_not_plain(
    family: StableDiffusion,
) -> None:
    pictures = drawn(family, ASKED)
    assert len(pictures) == len(ASKED)
    for picture in pictures:
        assert picture.dtype == np.uint8 and picture.shape == (SIZE, SIZE, 3)
        assert picture.std() > 1
    assert all(far(pictures[0], other) > 2 for other in pictures[1:])


def test_the_pictures_are_those_of_diffusers_own_call(family: StableDiffusion) -> None:
    generators = [
        torch.Generator().manual_seed(seed_of("sample", 7, name, number))
        for name, _, number in ASKED
    ]
    expected = family.pipeline(
        [text for _, text, _ in ASKED],
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        generator=generators,
    ).images
    for picture, other in zip(drawn(family, ASKED, batch=5), expected, strict=True):
        assert np.array_equal(picture, np.asarray(other))


def test_the_same_call_draws_the_same(family: StableDiffusion) -> None:
    torch.manual_seed(1)
    first = drawn(family, ASKED)
    torch.manual_seed(2)
    assert np.array_equal(first, drawn(family, ASKED))


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_batch_size_changes_no_picture(family: StableDiffusion, batch: int) -> None:
    noises = starts(family)
    expected = drawn(family, ASKED, batch=2)
    pictures = drawn(family, ASKED, batch=batch)
    for a, b in zip(noises[: len(ASKED)], noises[len(ASKED) :], strict=True):
        assert torch.equal(a, b)
    # Sums are taken in another order in another batch size.
    assert all(far(a, b) <= 1 for a, b in zip(expected, pictures, strict=True))


def test_other_prompts_change_no_picture(family: StableDiffusion) -> None:
    everything = drawn(family, ASKED, batch=3)
    some = drawn(family, [ASKED[4], ASKED[1]], batch=3)
    assert far(everything[4], some[0]) <= 1 and far(everything[1], some[1]) <= 1


def test_seed_name_and_number_decide_the_start_and_words_do_not(
    family: StableDiffusion,
) -> None:
    noises = starts(family)
    drawn(family, [("p", CAPTIONS[0], 0), ("p", CAPTIONS[1], 0)])
    drawn(family, [("p", CAPTIONS[0], 1), ("q", CAPTIONS[0], 0)])
    drawn(family, [("p", CAPTIONS[0], 0)], seed=8)
    first, same, *others = noises
    assert first.shape == LATENT and torch.equal(first, same)
    assert len(others) == 3
    for place, other in enumerate(others):
        assert not torch.equal(first, other)
        assert not any(torch.equal(other, later) for later in others[place + 1 :])


def test_words_change_the_picture(family: StableDiffusion) -> None:
    one, other = drawn(family, [("p", CAPTIONS[0], 0), ("p", CAPTIONS[3], 0)])
    assert not np.array_equal(one, other)


def test_progress_is_told_batch_by_batch(family: StableDiffusion) -> None:
    told: list[int] = []
    list(sample(family, ASKED, 1, 1.0, 2, 0, told.append))
    assert told == [2, 4, 5]


def test_no_prompts_no_pictures(family: StableDiffusion) -> None:
    assert drawn(family, []) == []


def test_a_prompt_over_the_limit_is_cut_without_a_word(family: StableDiffusion) -> None:
    """How many are cut is told beside the samples; the libraries would say so batch by batch."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    for library in (diffusers_logging, transformers_logging):
        library.add_handler(handler)
    try:
        drawn(family, [("p", " ".join(CAPTIONS) * 40, 0)])
    finally:
        for library in (diffusers_logging, transformers_logging):
            library.remove_handler(handler)
    assert told == []
