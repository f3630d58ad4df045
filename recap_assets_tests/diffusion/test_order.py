from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recap_assets.diffusion.order import Draws, Order
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import seed


def everyone(pictures: int) -> Order:
    return Order(pictures, 4, 0, lambda epoch: [""] * pictures)


def rows(order: Order, step: int) -> list[int]:
    return [row for row, _ in order.batch(step)]


def shown(order: Order, steps: int) -> list[int]:
    return [row for step in range(steps) for row in rows(order, step)]


@settings(max_examples=60)
@given(
    pictures=st.integers(1, 30),
    batch=st.integers(1, 12),
    epochs=st.integers(1, 4),
    seed=st.integers(0, 2**40),
)
def test_every_picture_is_shown_once_an_epoch_with_its_caption(
    pictures: int, batch: int, epochs: int, seed: int
) -> None:
    asked: list[int] = []

    def draw(epoch: int) -> list[str]:
        asked.append(epoch)
        return [f"{row} in {epoch}" for row in range(pictures)]

    order = Order(pictures, batch, seed, draw)
    found: list[tuple[int, str]] = []
    steps = math.ceil(epochs * pictures / batch)
    for step in range(steps):
        some = order.batch(step)
        assert len(some) == batch
        found += some
    for epoch in range(epochs):
        part = found[epoch * pictures : (epoch + 1) * pictures]
        assert sorted(row for row, _ in part) == list(range(pictures))
        assert [caption for _, caption in part] == [f"{row} in {epoch}" for row, _ in part]
    assert asked == sorted(set(asked)) == list(range(order.epochs(steps)))
    assert order.left_out == dict.fromkeys(asked, 0)


def test_epochs_and_seeds_are_shuffled_differently_and_runs_alike() -> None:
    first, again = shown(everyone(40), 20), shown(everyone(40), 20)
    assert first == again
    assert first[:40] != first[40:] and first[:40] != sorted(first[:40])
    assert first != shown(Order(40, 4, 1, lambda epoch: [""] * 40), 20)


def test_a_step_does_not_depend_on_the_steps_before() -> None:
    late = everyone(10).batch(7)
    order = everyone(10)
    assert [order.batch(step) for step in range(8)][7] == late


@settings(max_examples=40)
@given(st.sets(st.integers(0, 19), max_size=16), st.integers(0, 1000))
def test_pictures_without_a_caption_are_left_out_and_move_no_other(
    without: set[int], seed: int
) -> None:
    captions = [None if row in without else str(row) for row in range(20)]
    full = rows(Order(20, 20, seed, lambda epoch: [""] * 20), 0)
    order = Order(20, 20, seed, lambda epoch: captions)
    assert order.batch(0) == [(row, str(row)) for row in full if row not in without]
    assert order.left_out == {0: len(without)}


def test_a_batch_without_any_caption() -> None:
    order = Order(4, 4, 0, lambda epoch: [None if epoch else ""] * 4)
    order.batch(0)
    with pytest.raises(UserError, match="step 1: none of its 4 pictures has a caption"):
        order.batch(1)


def draws(rows: list[int], step: int = 3, seed: int = 5, dropout: float = 0.5) -> Draws:
    return Draws.of(rows, step, seed, (4, 8, 8), 1000, dropout)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6, unique=True), st.data())
@settings(max_examples=30)
def test_what_a_picture_sees_is_its_own(rows: list[int], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    together, alone = draws(rows), draws([rows[place]])
    assert together.uniform[place] == alone.uniform[0]
    assert together.dropped[place] == alone.dropped[0]
    assert torch.equal(together.noise[place], alone.noise[0])


def test_shapes_and_kinds() -> None:
    found = draws([7, 1, 4])
    assert found.uniform.shape == (3,) and found.uniform.dtype == torch.float64
    assert found.dropped.shape == (3,) and found.dropped.dtype == np.bool_
    assert found.noise.shape == (3, 4, 8, 8) and found.noise.dtype == torch.float32


@pytest.mark.parametrize("changes", [{"step": 4}, {"seed": 6}])
def test_step_and_seed_decide(changes: dict[str, int]) -> None:
    rows = list(range(8))
    first, other = draws(rows), draws(rows, **changes)
    assert torch.equal(first.noise, draws(rows).noise)
    assert not torch.equal(first.uniform, other.uniform)
    assert not torch.isclose(first.noise, other.noise).any(dim=(1, 2, 3)).all()


def test_draws_follow_their_distributions() -> None:
    count = 2000
    found = Draws.of(range(count), 0, 0, (4, 4, 4), 10, 0.1)
    times = Counter((found.uniform * 10).long().tolist())
    assert set(times) == set(range(10))
    # Five standard deviations of a binomial count.
    assert all(abs(n - count / 10) < 5 * math.sqrt(count * 0.09) for n in times.values())
    assert abs(found.dropped.sum() - count / 10) < 5 * math.sqrt(count * 0.09)
    assert abs(found.noise.mean()) < 5 / math.sqrt(found.noise.numel())
    assert found.noise.std() == pytest.approx(1, abs=0.02)
    # Noise told from the time or from its neighbour would let the model cheat.
    assert abs(np.corrcoef(found.uniform, found.noise[:, 0, 0, 0])[0, 1]) < 5 / math.sqrt(count)
    assert abs(np.corrcoef(found.noise[:-1, 0, 0, 0], found.noise[1:, 0, 0, 0])[0, 1]) < 0.12


def test_dropout_of_nothing_and_of_everything() -> None:
    assert not draws(list(range(50)), dropout=0.0).dropped.any()
    assert draws(list(range(50)), dropout=1.0).dropped.all()


@pytest.mark.parametrize("timesteps", [1, 3, 999, 1000, 1024])
def test_time_steps_are_whole_numbers_drawn_alike(timesteps: int) -> None:
    found = Draws.of(range(300), 1, 2, (1,), timesteps, 0.1)
    generators = [np.random.Generator(np.random.Philox(seed("noise", 2, 1, n))) for n in range(300)]
    expected = [int(generator.integers(timesteps)) for generator in generators]
    assert (found.uniform * timesteps).long().tolist() == expected


def test_any_time_where_there_are_no_time_steps() -> None:
    count = 2000
    uniform = np.sort(Draws.of(range(count), 0, 0, (1,), None, 0.1).uniform.numpy())
    assert 0 <= uniform[0] < uniform[-1] < 1 and len(np.unique(uniform)) == count
    # Kolmogorov and Smirnov: 1.95 / sqrt(n) is passed once in a thousand times.
    assert np.abs(uniform - (np.arange(count) + 0.5) / count).max() < 1.95 / math.sqrt(count)
