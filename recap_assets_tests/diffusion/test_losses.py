from __future__ import annotations

import math

import pytest
import torch

from recap_assets.diffusion.losses import Losses
from recap_assets.experiment.errors import UserError


def test_losses_are_told_in_order_with_their_steps() -> None:
    told: list[tuple[int, float]] = []
    losses = Losses(lambda step, loss: told.append((step, loss)), [0.5])
    for value in (0.25, 0.125):
        losses.add(torch.tensor(value))
    losses.fetch()
    losses.fetch()
    assert losses.known == [0.5, 0.25, 0.125]
    assert told == [(1, 0.25), (2, 0.125)]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_training(value: float) -> None:
    losses = Losses(None, [1.0])
    losses.add(torch.tensor(0.5))
    losses.add(torch.tensor(value))
    with pytest.raises(UserError, match=rf"^training step 2: the loss is {value}; lower t2i.lr"):
        losses.fetch()
