from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.evaluation.frechet import frechet
from recap_assets.experiment.errors import UserError

seeds = st.integers(0, 2**32 - 1)


def sets(seed: int, n: int, m: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    y = rng.normal(size=(m, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)
    return x, y


@given(seeds)
def test_agrees_with_torchmetrics(seed: int) -> None:
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    class AsIs(torch.nn.Module):
        num_features = 6

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    x, y = sets(seed, 40, 55, 6)
    oracle = FrechetInceptionDistance(feature=AsIs())
    oracle.update(torch.tensor(x), real=True)
    oracle.update(torch.tensor(y), real=False)
    assert frechet(x, y) == pytest.approx(float(oracle.compute()), rel=1e-6)


@pytest.mark.parametrize(("n", "m", "d"), [(5, 7, 40), (30, 4, 12), (2, 2, 300)])
def test_fewer_pictures_than_features_is_the_nuclear_norm_form(n: int, m: int, d: int) -> None:
    x, y = sets(1, n, m, d)
    a = (x - x.mean(0)) / np.sqrt(n - 1)
    b = (y - y.mean(0)) / np.sqrt(m - 1)
    expected = (
        ((x.mean(0) - y.mean(0)) ** 2).sum()
        + (a**2).sum()
        + (b**2).sum()
        - 2 * np.linalg.norm(a @ b.T, "nuc")
    )
    assert frechet(x, y) == pytest.approx(expected, rel=1e-9)


def test_closed_form_of_gaussians_with_commuting_covariances() -> None:
    rng = np.random.default_rng(0)
    white = rng.normal(size=(50, 3))
    white -= white.mean(0)
    white = np.linalg.qr(white).Q * np.sqrt(49)  # covariance is exactly the identity
    x = white * np.sqrt([1.0, 4.0, 9.0]) + [1.0, 2.0, 3.0]
    y = white[::-1] * np.sqrt([4.0, 4.0, 1.0]) + [0.0, 2.0, 5.0]
    assert frechet(x, y) == pytest.approx((1 + 0 + 4) + (1 + 0 + 4))


@given(seeds, st.integers(2, 20), st.integers(1, 30))
def test_zero_to_itself_symmetric_and_blind_to_order_copies_and_rotation(
    seed: int, n: int, d: int
) -> None:
    x, y = sets(seed, n, n + 3, d)
    scale = frechet(x, y) + (x**2).sum()
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d))).Q
    assert frechet(x, x[::-1]) == pytest.approx(0, abs=1e-9 * scale)
    assert frechet(x, y) == pytest.approx(frechet(y, x), abs=1e-9 * scale)
    assert frechet(x @ rotation, y @ rotation) == pytest.approx(frechet(x, y), abs=1e-9 * scale)
    assert frechet(np.tile(x, (2, 1)), np.tile(x[::-1], (2, 1))) == pytest.approx(
        0, abs=1e-9 * scale
    )


@given(seeds)
def test_a_shift_costs_its_squared_length(seed: int) -> None:
    x, _ = sets(seed, 10, 10, 4)
    assert frechet(x, x + np.array([3.0, 0.0, 4.0, 0.0])) == pytest.approx(25)


def test_constant_features_and_float32_give_finite_numbers() -> None:
    constant = np.ones((4, 3), np.float32)
    assert frechet(constant, constant * 2) == pytest.approx(3)


def test_what_does_not_compare_is_refused() -> None:
    x = np.zeros((4, 3))
    for bad in (np.zeros((4, 2)), np.zeros((1, 3)), np.zeros(3), np.full((4, 3), np.nan)):
        with pytest.raises(UserError):
            frechet(x, bad)
