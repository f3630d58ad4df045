from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy import stats

from recap_assets.diffusion.families.family import Weighting
from recap_assets.experiment.errors import UserError
from recap_assets_tests.diffusion.families.plain_loss import TEXTS, UNIFORM, loss, of_flow
from recap_assets_tests.diffusion.making import latents
from recap_assets_tests.diffusion.models.sd3 import WIDTH, build

LINEAR = torch.arange(1000, 0, -1, dtype=torch.float64) / 1000


def shifted(shift: float) -> torch.Tensor:
    """Esser et al. 2024, equation 23, of the thousand steps from noise to picture."""
    return shift * LINEAR / (1 + (shift - 1) * LINEAR)


@pytest.mark.parametrize("t5", [True, False])
@pytest.mark.parametrize("timesteps", ["logit_normal", "uniform"])
def test_the_loss_is_that_of_diffusers_example(t5: bool, timesteps: Any) -> None:
    family = build(t5)
    expected = of_flow(family, shifted(3.0), timesteps == "logit_normal")
    assert loss(family, Weighting(timesteps=timesteps)) == pytest.approx(expected, abs=1e-5)


def test_the_shift_is_the_schedulers() -> None:
    family = build(shift=1.0)
    expected = of_flow(family, LINEAR, False)
    assert loss(family, Weighting(timesteps="uniform")) == pytest.approx(expected, abs=1e-5)


def test_a_shift_that_the_resolution_decides() -> None:
    """As the pipeline sets its steps when it draws such pictures."""
    family = build(use_dynamic_shifting=True, base_shift=0.5, max_shift=4.0)
    found: list[float] = []
    family.pipeline(
        "",
        num_inference_steps=10,
        output_type="latent",
        callback_on_step_end=lambda pipe, step, time, told: found.append(float(time)) or told,
    )
    few = torch.zeros(1000, 1, 1, 1)
    every = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    times = family.noised(few, few, every, Weighting(timesteps="uniform")).times
    # Ten steps are every 111th of the thousand.
    torch.testing.assert_close(times[::111], torch.tensor(found), rtol=1e-4, atol=1e-3)


def test_draws_are_logit_normal() -> None:
    family = build(shift=1.0)
    uniform = torch.rand(4000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    few = torch.zeros(4000, 1, 1, 1)
    share = family.noised(few, few, uniform, Weighting()).times.double() / 1000
    # A thousand steps are not the continuous law, but their logits are as good as normal.
    logits = torch.log((share - 0.0005) / (1 - share + 0.0005))
    assert stats.kstest(logits.numpy(), "norm").pvalue > 0.01


def test_the_ends_of_the_draw() -> None:
    family = build()
    ends = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    for timesteps in ("uniform", "logit_normal"):
        times = family.noised(latents(2), latents(2, 1), ends, Weighting(None, timesteps)).times
        assert times[0] == 1000 and 0 < times[1] < 10 and family.timesteps is None


def test_min_snr_is_not_for_flows() -> None:
    found = build().noised(latents(6), latents(6, 1), UNIFORM, Weighting(5.0))
    assert found.weight is None


@pytest.mark.parametrize("t5", [True, False])
def test_texts_are_read_as_the_pipeline_reads_them(t5: bool) -> None:
    family = build(t5)
    text = family.encode_texts(family.tokenize(TEXTS))
    hidden, _, pooled, _ = family.pipeline.encode_prompt(TEXTS, None, None)
    torch.testing.assert_close(family._joined(text), hidden)
    torch.testing.assert_close(text["pooled"], pooled)
    assert hidden.shape == (len(TEXTS), 12 + 256, WIDTH)
    assert text.keys() == ({"clip", "pooled", "t5"} if t5 else {"clip", "pooled"})


def test_t5_reads_what_clip_has_cut() -> None:
    family = build()
    long = " ".join(TEXTS[:4])
    one, other = (family.encode_texts(family.tokenize([text])) for text in (long, f"{long} white"))
    assert torch.equal(one["clip"], other["clip"]) and torch.equal(one["pooled"], other["pooled"])
    assert not torch.allclose(one["t5"], other["t5"])


def test_a_sampler_of_noise_is_refused() -> None:
    from diffusers import DDIMScheduler

    family = build()
    family.pipeline.scheduler = DDIMScheduler()
    with pytest.raises(UserError, match="DDIMScheduler matches no flow") as caught:
        family.noised(latents(6), latents(6, 1), UNIFORM, Weighting())
    assert "\n" not in str(caught.value)
