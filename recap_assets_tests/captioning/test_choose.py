from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.captioning.choose import Row, draw, uniforms, warpers


def nucleus(logits: np.ndarray, temperature: float, top_p: float) -> np.ndarray:
    """The distribution that sampling draws from, by its definition (Holtzman et al. 2020)."""
    chances = np.exp(logits / temperature - (logits / temperature).max())
    chances /= chances.sum()
    order = np.argsort(-chances)
    kept = [order[0]]
    for token in order[1:]:
        if chances[kept].sum() >= top_p:
            break
        kept.append(token)
    out = np.zeros_like(chances)
    out[kept] = chances[kept] / chances[kept].sum()
    return out


def frequencies(logits: np.ndarray, temperature: float, top_p: float, n: int) -> np.ndarray:
    numbers = (torch.arange(n) + 0.5) / n
    scores = torch.tensor(logits, dtype=torch.float32).expand(n, -1)
    for warp in warpers(temperature, top_p):
        scores = warp(torch.zeros((n, 1), dtype=torch.long), scores)
    return np.bincount(draw(scores, numbers), minlength=len(logits)) / n


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (2.0, 0.9), (0.7, 0.3)])
def test_tokens_come_as_often_as_they_should(temperature: float, top_p: float) -> None:
    logits = np.random.default_rng(1).normal(0, 2, 12)
    got = frequencies(logits, temperature, top_p, 20_000)
    np.testing.assert_allclose(got, nucleus(logits, temperature, top_p), atol=2e-4)


@given(st.integers(0, 2**32), st.floats(0.05, 5), st.floats(0.01, 1), st.floats(0, 1))
def test_what_cannot_be_is_never_drawn(seed: int, heat: float, top_p: float, u: float) -> None:
    logits = np.random.default_rng(seed).normal(0, 3, 9)
    logits[seed % 9] = -np.inf
    scores = torch.tensor(logits[None], dtype=torch.float32)
    for warp in warpers(heat, top_p):
        scores = warp(torch.zeros((1, 1), dtype=torch.long), scores)
    number = min(u, float(np.nextafter(np.float32(1), np.float32(0))))
    token = int(draw(scores, torch.tensor([number], dtype=torch.float32)))
    assert torch.isfinite(scores[0, token])


def test_the_last_number_below_one_draws_the_last_token_that_can_be() -> None:
    scores = torch.tensor([[0.0, 0.0, -torch.inf]])
    almost = torch.tensor([1 - 2**-24])
    assert draw(scores, almost).tolist() == [1]
    assert draw(scores, torch.tensor([0.0])).tolist() == [0]
    assert draw(scores.flip(1), torch.tensor([0.0])).tolist() == [1]


def test_numbers_follow_from_seed_candidate_and_step_alone() -> None:
    rows = [Row(4, 1.0, seed=7), Row(9, 1.0, seed=7, candidate=1), Row(9, 1.0, seed=8), Row(9)]
    numbers = uniforms(rows, 9)
    assert numbers.dtype == np.float32 and (numbers >= 0).all() and (numbers < 1).all()
    np.testing.assert_array_equal(uniforms(rows[1:2], 5)[0], numbers[1, :5])
    np.testing.assert_array_equal(uniforms([Row(3, 0.2, 0.5, seed=7)], 9)[0], numbers[0])
    assert len(np.unique(numbers[:3])) == 27
    assert not numbers[3].any()


def test_numbers_are_uniform() -> None:
    numbers = uniforms([Row(1, 1.0, seed=seed) for seed in range(4000)], 3)
    # The mean of 4000 has a standard deviation of 0.0046.
    np.testing.assert_allclose(numbers.mean(0), 0.5, atol=0.02)
    np.testing.assert_allclose(np.corrcoef(numbers.T) - np.eye(3), 0, atol=0.06)
