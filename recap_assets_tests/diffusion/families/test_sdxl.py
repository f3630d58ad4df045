from __future__ import annotations

import pytest
import torch

from recap_assets.diffusion.families.family import Weighting
from recap_assets_tests.diffusion.families.plain_loss import TEXTS, loss, of_unet
from recap_assets_tests.diffusion.making import CAPTIONS, noise
from recap_assets_tests.diffusion.models.sdxl import build

BETAS = torch.linspace(0.0001**0.5, 0.02**0.5, 1000, dtype=torch.float64) ** 2


@pytest.mark.parametrize("gamma", [None, 5.0])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_loss_is_that_of_the_papers(prediction: str, gamma: float | None) -> None:
    family = build(prediction)
    expected = of_unet(family, BETAS, prediction == "v_prediction", gamma)
    assert loss(family, Weighting(gamma)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("zeros", [True, False])
def test_texts_are_read_as_the_pipeline_reads_them(zeros: bool) -> None:
    family = build(zeros=zeros)
    found = family.encode_texts(family.tokenize(TEXTS))
    hidden, no_hidden, pooled, no_pooled = family.pipeline.encode_prompt(TEXTS)
    torch.testing.assert_close(found["hidden"][:-1], hidden[:-1])
    torch.testing.assert_close(found["pooled"][:-1], pooled[:-1])
    # The dropped prompt is what guidance starts from.
    torch.testing.assert_close(found["hidden"][-1], no_hidden[-1])
    torch.testing.assert_close(found["pooled"][-1], no_pooled[-1])
    assert bool((no_hidden == 0).all()) == zeros


def test_each_encoder_has_its_own_tokens() -> None:
    tokens = build().tokenize(CAPTIONS[1:2])
    first, second = tokens["text_encoder"][0], tokens["text_encoder_2"][0]
    assert not torch.equal(first, second)  # the padding
    end = first.tolist().index(int(first[-1]))
    assert torch.equal(first[: end + 1], second[: end + 1])


def test_the_size_of_the_pictures_is_told() -> None:
    family = build()
    text = family.encode_texts(family.tokenize(TEXTS[:1]))
    noisy, time = torch.zeros(1, 4, 8, 8), torch.tensor([500])
    same = family.predict(noisy, time, text)
    family._resolution = 64
    assert not torch.allclose(same, family.predict(noisy, time, text))


def test_latents_with_a_mean_and_a_deviation() -> None:
    mean, deviation = (0.5, -1.0, 0.0, 2.0), (1.0, 2.0, 4.0, 0.5)
    found = build(latents_mean=mean, latents_std=deviation).encode_pictures(noise(2))
    plain = build().encode_pictures(noise(2)) / 0.7
    for channel in range(4):
        expected = (plain[:, channel] - mean[channel]) * 0.7 / deviation[channel]
        torch.testing.assert_close(found[:, channel], expected)
