from __future__ import annotations

import pytest

from recap_assets.diffusion.schedule import learning_rate
from recap_assets.diffusion.settings import TrainSettings


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.5), (1, 1.0), (3, 2.0), (4, 2.0), (8, 1.1), (12, 0.2)],
)
def test_cosine_by_hand(step: int, rate: float) -> None:
    settings = TrainSettings(steps=12, batch=1, lr=2.0, warmup=4)
    assert learning_rate(step, settings) == pytest.approx(rate)


def test_without_and_with_only_warm_up() -> None:
    assert learning_rate(0, TrainSettings(steps=10, batch=1, lr=3.0)) == pytest.approx(3.0)
    only = TrainSettings(steps=4, batch=1, lr=1.0, warmup=8)
    assert [learning_rate(step, only) for step in range(4)] == [1 / 8, 2 / 8, 3 / 8, 4 / 8]


def test_constant_stays_at_the_peak_after_its_warm_up() -> None:
    settings = TrainSettings(steps=6, batch=1, lr=2.0, warmup=2, schedule="constant")
    assert [learning_rate(step, settings) for step in range(6)] == [1.0, 2.0, 2.0, 2.0, 2.0, 2.0]
