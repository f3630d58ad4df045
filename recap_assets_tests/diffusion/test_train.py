from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, DiffusionPipeline

from recap_assets.diffusion.families.stable_diffusion import StableDiffusion
from recap_assets.diffusion.feed import Examples
from recap_assets.diffusion.load import load
from recap_assets.diffusion.losses import Report
from recap_assets.diffusion.order import Draw, Draws, Order
from recap_assets.diffusion.settings import TrainSettings
from recap_assets.diffusion.texts import Encoders
from recap_assets.diffusion.train import train
from recap_assets.experiment.errors import UserError
from recap_assets_tests.diffusion.making import (
    CAPTIONS,
    LATENT,
    build,
    latents,
    same,
    tokens,
    weights,
)

SETTINGS = TrainSettings(steps=3, batch=4, lr=1e-2, warmup=2, prompt_dropout=0.4, seed=3)
PICTURES = len(CAPTIONS)


def draw(epoch: int) -> list[str]:
    return [CAPTIONS[(row + epoch) % PICTURES] for row in range(PICTURES)]


def learn(
    family: StableDiffusion,
    settings: TrainSettings,
    draw: Draw = draw,
    pictures: torch.Tensor | None = None,
    report: Report | None = None,
) -> list[float]:
    examples = Examples(latents(PICTURES) if pictures is None else pictures, draw, Encoders(family))
    return train(family, examples, settings, report=report).losses


def trained(settings: TrainSettings, prediction: str = "v_prediction") -> StableDiffusion:
    family = build(prediction)
    learn(family, settings)
    return family


def learned(family: StableDiffusion) -> list[torch.Tensor]:
    modules = (family.pipeline.unet, family.pipeline.text_encoder)
    return [p.detach().clone() for module in modules for p in module.parameters()]


def equal(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def reference(family: StableDiffusion, prediction: str, gamma: float = math.inf) -> list[float]:
    """Three steps picture by picture, written down from the papers: DDPM, velocity, AdamW.

    min-SNR (arXiv 2303.09556) weighs the error of a picture by min(SNR, gamma), which is SNR times
    that of the noise and SNR + 1 times that of the velocity.
    """
    betas = DDPMScheduler(beta_schedule="squaredcos_cap_v2").betas.double()
    signal = torch.cumprod(1 - betas, 0)
    pictures, ids = latents(PICTURES), tokens(family)["text_encoder"]
    parameters = [*family.pipeline.unet.parameters(), *family.pipeline.text_encoder.parameters()]
    first = [torch.zeros_like(p) for p in parameters]
    second = [torch.zeros_like(p) for p in parameters]
    order = Order(PICTURES, 4, 3, draw)
    losses = []
    for step, rate in enumerate([0.5e-2, 1e-2, 1e-2]):
        shown = order.batch(step)
        draws = Draws.of([row for row, _ in shown], step, 3, LATENT, 1000, 0.4)
        errors = []
        for i, (row, caption) in enumerate(shown):
            time, noise, x = int(draws.uniform[i] * 1000), draws.noise[i], pictures[row]
            a, b = signal[time].sqrt().float(), (1 - signal[time]).sqrt().float()
            text = ids[-1] if draws.dropped[i] else ids[CAPTIONS.index(caption)]
            hidden = family.pipeline.text_encoder(text[None])[0]
            answer = family.pipeline.unet((a * x + b * noise)[None], time, hidden).sample[0]
            target = a * noise - b * x if prediction == "v_prediction" else noise
            snr = float(signal[time] / (1 - signal[time]))
            per_picture = snr + 1 if prediction == "v_prediction" else snr
            weight = 1.0 if math.isinf(gamma) else min(snr, gamma) / per_picture
            errors.append(weight * (answer - target).square().mean())
        loss = sum(errors) / len(errors)
        losses.append(loss.item())
        slopes = torch.autograd.grad(loss, parameters)
        length = math.sqrt(sum(float(g.square().sum()) for g in slopes))
        with torch.no_grad():
            for p, m, v, g in zip(parameters, first, second, slopes, strict=True):
                g = g * min(1.0, 1 / (length + 1e-6))
                p.mul_(1 - rate * 0.01)
                m.mul_(0.9).add_(0.1 * g)
                v.mul_(0.999).add_(0.001 * g * g)
                upward = m / (1 - 0.9 ** (step + 1))
                spread = (v / (1 - 0.999 ** (step + 1))).sqrt()
                p.sub_(rate * upward / (spread + 1e-8))
    return losses


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon"])
def test_losses_are_those_of_a_plain_loop(prediction: str) -> None:
    family = build(prediction)
    expected = reference(build(prediction), prediction)
    told: list[tuple[int, float]] = []
    losses = learn(family, SETTINGS, report=lambda step, loss: told.append((step, loss)))
    assert losses == pytest.approx(expected, abs=1e-5)
    assert told == list(enumerate(losses))
    # A rate of zero, or no training at all, would be seen.
    still = learn(build(prediction), replace(SETTINGS, lr=0.0))
    assert still[0] == losses[0] and abs(still[2] - losses[2]) > 1e-3


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon"])
def test_losses_are_weighed_by_the_noise(prediction: str) -> None:
    expected = reference(build(prediction), prediction, gamma=0.5)
    found = learn(build(prediction), replace(SETTINGS, snr_gamma=0.5))
    assert found == pytest.approx(expected, abs=1e-5)
    assert found != pytest.approx(learn(build(prediction), SETTINGS), abs=1e-2)


def test_the_dropped_prompts_of_the_plain_loop_are_some_and_not_all() -> None:
    order = Order(PICTURES, 4, 3, draw)
    dropped = [
        flag
        for step in range(3)
        for flag in Draws.of([row for row, _ in order.batch(step)], step, 3, (1,), 9, 0.4).dropped
    ]
    assert any(dropped) and not all(dropped)


def test_loss_falls_on_a_picture_learnt_by_heart(family: StableDiffusion) -> None:
    picture = torch.ones(PICTURES, *LATENT)
    # Without a rate nothing is learnt: the loss on the same draws before and after.
    exam = replace(SETTINGS, steps=8, lr=0.0, seed=99)
    before = learn(family, exam, pictures=picture)
    learn(family, TrainSettings(steps=30, batch=4, lr=1e-2), pictures=picture)
    assert np.mean(learn(family, exam, pictures=picture)) < 0.7 * np.mean(before)


def test_the_same_seed_gives_the_same_weights_and_another_others() -> None:
    torch.manual_seed(1)
    first = learned(trained(SETTINGS))
    torch.manual_seed(2)
    assert equal(first, learned(trained(SETTINGS)))
    assert not equal(first, learned(trained(replace(SETTINGS, seed=4))))


@pytest.mark.parametrize("names", [("unet",), ("text_encoder",), ("unet", "text_encoder")])
def test_only_the_named_weights_move(family: StableDiffusion, names: tuple[str, ...]) -> None:
    parts = ("vae", "unet", "text_encoder")
    before = {part: weights(getattr(family.pipeline, part)) for part in parts}
    learn(family, replace(SETTINGS, train=names))
    for part in parts:
        module = getattr(family.pipeline, part)
        assert same(module, before[part]) == (part not in names)
        assert not module.training
        assert not any(p.requires_grad for p in module.parameters())


def test_every_weight_of_a_named_part_moves(family: StableDiffusion) -> None:
    before = weights(family.pipeline.unet)
    learn(family, SETTINGS)
    still = [n for n, p in family.pipeline.unet.named_parameters() if torch.equal(p, before[n])]
    assert still == []


def test_what_an_arm_leaves_out_changes_nothing_the_others_see() -> None:
    settings = replace(SETTINGS, steps=2, batch=PICTURES)

    def seen(missing: int | None) -> list[dict[int, tuple[torch.Tensor, torch.Tensor]]]:
        """For each step, what the network was shown of each picture."""
        family = build()
        order = Order(PICTURES, PICTURES, settings.seed, chosen(missing))
        found: list[dict[int, tuple[torch.Tensor, torch.Tensor]]] = []

        def record(module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
            rows = [row for row, _ in order.batch(len(found))]
            found.append(dict(zip(rows, zip(*args, strict=True), strict=True)))

        family.pipeline.unet.register_forward_pre_hook(record)
        learn(family, settings, chosen(missing))
        return found

    def chosen(missing: int | None) -> Draw:
        def one(epoch: int) -> list[str | None]:
            return [None if row == missing else text for row, text in enumerate(draw(epoch))]

        return one

    for full, part in zip(seen(None), seen(2), strict=True):
        assert set(full) - set(part) == {2}
        for row, (noisy, time) in part.items():
            assert torch.equal(noisy, full[row][0]) and time == full[row][1]


def test_nothing_left_to_train_on(family: StableDiffusion) -> None:
    with pytest.raises(UserError, match="step 0: none of its . pictures has a caption"):
        learn(family, SETTINGS, lambda epoch: [None] * PICTURES)


def test_a_model_that_predicts_the_picture_is_refused() -> None:
    with pytest.raises(UserError, match="prediction_type is 'sample'; name a model") as caught:
        trained(SETTINGS, "sample")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("decay", "kept"), [(0.999, 2 / 11), (0.05, 0.05)])
def test_the_average_is_diffusers_formula_by_hand(decay: float, kept: float) -> None:
    # The first step replaces the start, the second keeps min(decay, (1 + 1) / (10 + 1)) of it.
    plain = TrainSettings(steps=2, batch=4, lr=1e-2, warmup=2)
    # Both rates are the warm-up's, so a run of one step is the first step of a run of two.
    one = learned(trained(replace(plain, steps=1)))
    two = learned(trained(plain))
    averaged = learned(trained(replace(plain, ema=decay)))
    assert not equal(averaged, two)
    for a, b, found in zip(one, two, averaged, strict=True):
        torch.testing.assert_close(found, kept * a + (1 - kept) * b, rtol=1e-5, atol=1e-7)


def test_a_trained_arm_is_an_ordinary_folder_for_diffusers(tmp_path: Path) -> None:
    family = trained(replace(SETTINGS, ema=0.9))
    family.pipeline.save_pretrained(tmp_path / "arm", safe_serialization=True)
    plain = DiffusionPipeline.from_pretrained(tmp_path / "arm")
    for found in (plain, load(tmp_path / "arm").pipeline):
        for part in ("vae", "unet", "text_encoder"):
            assert same(getattr(found, part), weights(getattr(family.pipeline, part)))
        assert found.scheduler.config.prediction_type == "v_prediction"
