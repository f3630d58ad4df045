"""Processes that train as one, against one that trains alone."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from recap_assets.diffusion.group import buckets
from recap_assets.diffusion.order import Order
from recap_assets.diffusion.save import save
from recap_assets.diffusion.settings import TrainSettings
from recap_assets.diffusion.share import ALONE, Share
from recap_assets.stages.processes.launch import launch
from recap_assets_tests.diffusion import grouped
from recap_assets_tests.diffusion.making import build

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs process groups")
NAME = grouped.__name__
#: Averaged weights, dropped prompts, micro-batches: everything that a step does.
SETTINGS = TrainSettings(
    steps=8, batch=5, lr=1e-3, warmup=2, prompt_dropout=0.4, ema=0.9, accumulate=2, save_every=3
)


@given(st.lists(st.integers(0, 9)), st.integers(1, 12))
def test_buckets_keep_all_in_order_and_to_their_size(sizes: list[int], most: int) -> None:
    given = [torch.zeros(size, dtype=torch.half if size % 2 else torch.int) for size in sizes]
    found = list(buckets(given, most))
    assert [id(tensor) for bucket in found for tensor in bucket] == [id(tensor) for tensor in given]
    for bucket in found:
        assert len({tensor.dtype for tensor in bucket}) == 1
        assert len(bucket) == 1 or sum(tensor.numel() for tensor in bucket) <= most


@posix
@pytest.mark.slow
def test_every_process_has_the_sum_and_what_the_first_one_had(tmp_path: Path) -> None:
    launch(NAME, ["exchange", str(tmp_path)], 3)
    each = [grouped.tensors(number) for number in range(3)]
    sums = [load_file(tmp_path / f"sum-{number}.safetensors") for number in range(3)]
    for number in range(3):
        same = load_file(tmp_path / f"same-{number}.safetensors")
        for name, first in each[0].items():
            assert torch.equal(same[name], first)
            assert torch.equal(sums[number][name], sums[0][name])
    for name, found in sums[0].items():
        a, b, c = (tensors[name] for tensors in each)
        rounding = 0.02 if found.dtype == torch.bfloat16 else 1e-6
        torch.testing.assert_close(found, a + b + c, rtol=0, atol=rounding)


def together(folder: Path, count: int, until: int) -> list[grouped.Learned]:
    """What each of `count` processes has learnt."""
    told = json.dumps(asdict(SETTINGS))
    launch(NAME, ["training", str(folder), told, str(until)], count)
    found = []
    for number in range(count):
        moved = load_file(folder / f"learnt-{number}.safetensors")
        found.append((moved.pop("losses").tolist(), moved))
    return found


def check_alike(found: grouped.Learned, expected: grouped.Learned, start: grouped.Learned) -> None:
    """Losses and weights are alike, the latter by how far they came from the start."""
    assert found[0] == pytest.approx(expected[0], abs=1e-5)
    moved = [(found[1][n], weight, start[1][n]) for n, weight in expected[1].items()]
    way = sum(float((b - c).square().sum()) for _, b, c in moved)
    apart = sum(float((a - b).square().sum()) for a, b, _ in moved)
    assert way > 1e-3
    assert apart < 1e-6 * way


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a model: made again in another process its tokenizer could be another."""
    save(build(), tmp_path / "model")
    return tmp_path


def alone(folder: Path, until: int = SETTINGS.steps) -> grouped.Learned:
    saved = folder / f"alone-{until}.safetensors"
    return grouped.learn(folder / "model", ALONE, SETTINGS, until, saved)


def test_processes_have_unequally_many_pictures_and_some_have_none() -> None:
    order = Order(grouped.PICTURES, SETTINGS.batch, SETTINGS.seed, grouped.draw)
    batches = [order.batch(step) for step in range(SETTINGS.steps)]
    parts = [[len(Share(rank, 3).mine(batch)) for rank in range(3)] for batch in batches]
    assert any(len(set(part)) > 1 for part in parts)
    assert any(0 in part for part in parts)


@posix
@pytest.mark.slow
def test_processes_learn_what_one_learns_and_go_on_from_a_save_of_others(place: Path) -> None:
    """Two processes end after step 4, three go on from the save of step 3, and one would too."""
    start, half, expected = alone(place, 0), alone(place, 4), alone(place)
    for found in together(place, 2, 4):
        check_alike(found, half, start)
    saved = (place / "save.safetensors").read_bytes()
    for found in together(place, 3, SETTINGS.steps):
        check_alike(found, expected, start)
    (place / f"alone-{SETTINGS.steps}.safetensors").write_bytes(saved)
    check_alike(alone(place), expected, start)
