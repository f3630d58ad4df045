"""Which settings of training make other weights, and which only another way to them."""

from __future__ import annotations

from typing import Any

import pytest

from recap_assets.experiment.t2i_settings import RUNNING, T2I

#: A value of each setting that is not its default.
OTHER: dict[str, Any] = {
    "model": "other/model",
    "revision": "0a1b",
    "resolution": 256,
    "method": "lora",
    "rank": 4,
    "alpha": 3.0,
    "from_scratch": True,
    "steps": 7,
    "batch": 3,
    "lr": 1e-5,
    "schedule": "constant",
    "warmup": 5,
    "weight_decay": 0.5,
    "prompt_dropout": 0.3,
    "over_limit": "truncate",
    "ema": 0.5,
    "snr_gamma": 5.0,
    "timesteps": "uniform",
    "accumulate": 2,
    "gradient_checkpointing": True,
    "precision": "bf16",
    "compile": True,
    "save_every": 3,
    "checkpoints": (1, 2),
    "processes": 2,
    "seed": 9,
}
#: The model is known by its content, and the adapter's settings are for adapters.
ELSEWHERE = {"model", "revision", "rank", "alpha"}


def test_every_setting_is_thought_of() -> None:
    assert set(OTHER) == set(T2I.model_fields)
    assert set(T2I.model_fields) > RUNNING


@pytest.mark.parametrize("name", OTHER)
def test_a_setting_decides_weights_unless_it_is_named(name: str) -> None:
    changed = T2I.model_validate({name: OTHER[name]})
    assert changed != T2I()
    decides = changed.deciding() != T2I().deciding()
    assert decides == (name not in RUNNING | ELSEWHERE)


@pytest.mark.parametrize("name", ["rank", "alpha"])
def test_the_adapters_settings_decide_adapters(name: str) -> None:
    plain = T2I(method="lora")
    changed = plain.model_copy(update={name: OTHER[name]})
    assert changed.deciding() != plain.deciding()


def test_the_last_step_is_not_on_the_way() -> None:
    assert T2I.model_validate({"steps": 9, "checkpoints": [9, 4]}).on_the_way == (4,)
