from __future__ import annotations

import pytest
import torch

from recap_assets.diffusion.families.family import Weighting
from recap_assets.experiment.errors import UserError
from recap_assets_tests.diffusion.families.plain_loss import UNIFORM, loss, of_unet
from recap_assets_tests.diffusion.making import latents
from recap_assets_tests.diffusion.models.stable_diffusion import build


def cosine() -> torch.Tensor:
    """Nichol and Dhariwal 2021, equation 17, betas cut at 0.999."""
    level = torch.cos((torch.arange(1001) / 1000 + 0.008) / 1.008 * torch.pi / 2) ** 2
    return (1 - level[1:] / level[:-1]).clamp(max=0.999)


@pytest.mark.parametrize("gamma", [None, 5.0, 0.5])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_loss_is_that_of_the_papers(prediction: str, gamma: float | None) -> None:
    family = build(prediction)
    expected = of_unet(family, cosine(), prediction == "v_prediction", gamma)
    assert loss(family, Weighting(gamma)) == pytest.approx(expected, abs=1e-5)


def test_a_weight_changes_the_loss() -> None:
    family = build()
    losses = {round(loss(family, Weighting(gamma)), 4) for gamma in (None, 5.0, 0.5)}
    assert len(losses) == 3


@pytest.mark.parametrize(("prediction", "weight"), [("epsilon", 1.0), ("v_prediction", 0.0)])
def test_a_last_step_without_signal_has_a_weight(prediction: str, weight: float) -> None:
    """Zero terminal SNR (Lin et al. 2023): limits of the formulas, and no division by zero."""
    family = build(prediction)
    family.pipeline.scheduler.register_to_config(rescale_betas_zero_snr=True)
    last = torch.tensor([0.9999], dtype=torch.float64)
    found = family.noised(latents(1), latents(1, 1), last, Weighting(5.0))
    assert found.times.tolist() == [999]
    assert found.weight is not None and found.weight.tolist() == pytest.approx([weight], abs=1e-6)


def test_every_time_step_may_be_drawn() -> None:
    family = build()
    assert family.timesteps == 1000
    middles = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    few = torch.zeros(1000, 1, 1, 1)
    times = family.noised(few, few, middles, Weighting()).times
    assert torch.equal(times, torch.arange(1000))
    assert family.noised(latents(6), latents(6), UNIFORM, Weighting()).weight is None


def test_a_model_that_predicts_the_picture_is_refused() -> None:
    with pytest.raises(UserError, match="prediction_type is 'sample'; name a model") as caught:
        build("sample").timesteps  # noqa: B018
    assert "\n" not in str(caught.value)


def test_a_schedule_that_is_no_ddpm_is_refused() -> None:
    from diffusers import EDMEulerScheduler

    family = build()
    family.pipeline.scheduler = EDMEulerScheduler()
    with pytest.raises(UserError, match="scheduler EDMEulerScheduler has no betas"):
        family.timesteps  # noqa: B018
