"""Batches in parts: by micro-batches, by processes, with less memory; the step stays the same."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from recap_assets.diffusion.feed import Examples, Fed, Feed
from recap_assets.diffusion.objective import Objective
from recap_assets.diffusion.order import Draw, Order
from recap_assets.diffusion.settings import TrainSettings
from recap_assets.diffusion.share import ALONE, Share
from recap_assets.diffusion.texts import Encoders
from recap_assets.diffusion.train import train
from recap_assets.experiment.errors import UserError
from recap_assets_tests.diffusion.making import CAPTIONS, build, latents, same, weights

PICTURES = 11
SETTINGS = TrainSettings(steps=3, batch=8, lr=1e-2, prompt_dropout=0.3, seed=5)


def draw(epoch: int) -> list[str | None]:
    """Two pictures have no caption, so that batches are of several sizes."""
    texts: list[str | None] = [CAPTIONS[(row + epoch) % 5] for row in range(PICTURES)]
    texts[3] = texts[7] = None
    return texts


def everyone(epoch: int) -> list[str]:
    return [CAPTIONS[(row + epoch) % 5] for row in range(PICTURES)]


def examples(family: Any, draw: Draw = draw) -> Examples:
    return Examples(latents(PICTURES), draw, Encoders(family))


def fed(settings: TrainSettings, share: Share = ALONE) -> list[Fed]:
    family = build()
    return list(Feed(family, examples(family), settings, share).steps(0, settings.steps))


def gradient(settings: TrainSettings, checkpointing: bool = False) -> list[torch.Tensor]:
    """Of the first step, over all weights of the UNet."""
    family = build()
    family.pipeline.unet.train()
    if checkpointing:
        family.pipeline.unet.enable_gradient_checkpointing()
    objective = Objective(family, Encoders(family), settings)
    (first,) = Feed(family, examples(family), replace(settings, steps=1), ALONE).steps(0, 1)
    for part in first.parts:
        (objective(part) * part.weight).backward()
    return [p.grad for p in family.pipeline.unet.parameters() if p.grad is not None]


def losses(settings: TrainSettings) -> list[float]:
    family = build()
    return train(family, examples(family), settings).losses


@pytest.mark.parametrize("accumulate", [2, 3, 8])
def test_micro_batches_are_of_a_batchs_part_and_make_up_the_batch(accumulate: int) -> None:
    whole, parts = fed(SETTINGS), fed(replace(SETTINGS, accumulate=accumulate))
    order = Order(PICTURES, SETTINGS.batch, SETTINGS.seed, draw)
    for step, (one, several) in enumerate(zip(whole, parts, strict=True)):
        assert one.step == several.step == step
        pictures = len(order.batch(step))
        assert len(one.parts) == 1 and len(one.parts[0].latents) == pictures
        sizes = [len(part.latents) for part in several.parts]
        assert sum(sizes) == pictures and max(sizes) <= -(-SETTINGS.batch // accumulate)
        assert [part.weight for part in several.parts] == [size / pictures for size in sizes]
        for name in ("latents", "noise", "uniform"):
            together = torch.cat([getattr(part, name) for part in several.parts])
            assert torch.equal(together, getattr(one.parts[0], name))


@pytest.mark.parametrize("accumulate", [2, 3, 8])
def test_the_gradient_is_that_of_the_mean_over_the_whole_batch(accumulate: int) -> None:
    one, several = gradient(SETTINGS), gradient(replace(SETTINGS, accumulate=accumulate))
    assert max(float(g.abs().max()) for g in one) > 1e-2
    for expected, found in zip(one, several, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_losses_with_micro_batches() -> None:
    assert losses(replace(SETTINGS, accumulate=3)) == pytest.approx(losses(SETTINGS), abs=1e-5)


def test_activations_that_are_computed_twice_give_the_same_gradient() -> None:
    for expected, found in zip(gradient(SETTINGS), gradient(SETTINGS, True), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("parts", [("unet",), ("text_encoder",), ("unet", "text_encoder")])
def test_gradient_checkpointing_computes_twice_and_changes_nothing(parts: tuple[str, ...]) -> None:
    def run(checkpointing: bool) -> tuple[list[float], int]:
        family = build()
        passes = 0

        def count(*_: object) -> None:
            nonlocal passes
            passes += 1

        layer = family.pipeline.text_encoder.encoder.layers[0].layer_norm1
        for module in (family.pipeline.unet.down_blocks[0].resnets[0].norm1, layer):
            module.register_forward_pre_hook(count)
        settings = replace(SETTINGS, train=parts, gradient_checkpointing=checkpointing)
        found = train(family, examples(family), settings).losses
        assert not family.pipeline.unet.is_gradient_checkpointing
        return found, passes

    plain, computed_twice = run(False), run(True)
    assert computed_twice[0] == plain[0]
    assert computed_twice[1] == plain[1] + SETTINGS.steps * len(parts)


def test_bf16_is_near_and_its_weights_stay_float32() -> None:
    family = build()
    seen: set[torch.dtype] = set()
    family.pipeline.unet.conv_out.register_forward_hook(lambda *args: seen.add(args[2].dtype))
    found = train(family, examples(family), replace(SETTINGS, precision="bf16")).losses
    assert seen == {torch.bfloat16}
    assert {p.dtype for p in family.pipeline.unet.parameters()} == {torch.float32}
    expected = losses(SETTINGS)
    assert found != expected and found == pytest.approx(expected, rel=0.05)


class Thread(Share):
    """One of two that share each batch, threads here; their sums meet at a barrier."""

    def __init__(self, rank: int, meeting: threading.Barrier, told: list[Any]) -> None:
        super().__init__(rank, 2)
        self._meeting, self._told = meeting, told

    def add(self, tensors: Sequence[torch.Tensor]) -> None:
        self._told[self.rank] = [tensor.clone() for tensor in tensors]
        self._meeting.wait(60)
        for own, *all_of_it in zip(tensors, *self._told, strict=True):
            own.copy_(sum(all_of_it))
        self._meeting.wait(60)


@pytest.mark.parametrize(
    "settings",
    [SETTINGS, replace(SETTINGS, accumulate=2), replace(SETTINGS, batch=1)],
    ids=["batch", "micro-batches", "less than a picture each"],
)
def test_two_that_share_each_batch_learn_what_one_learns(settings: TrainSettings) -> None:
    meeting, told = threading.Barrier(2), [None, None]
    alone, *pair = (build() for _ in range(3))
    found: dict[int, list[float]] = {}

    def run(rank: int) -> None:
        share = Thread(rank, meeting, told)
        found[rank] = train(
            pair[rank], examples(pair[rank], everyone), settings, share=share
        ).losses

    threads = [threading.Thread(target=run, args=(rank,)) for rank in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = train(alone, examples(alone, everyone), settings).losses
    assert found[0] == found[1] == pytest.approx(expected, abs=1e-5)
    assert same(pair[0].pipeline.unet, weights(pair[1].pipeline.unet))


def test_rows_of_a_batch_belong_to_one_process_each() -> None:
    shares = [Share(rank, 3) for rank in range(3)]
    parts = [share.mine(list(range(8))) for share in shares]
    assert sorted(row for part in parts for row in part) == list(range(8))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert [share.first for share in shares] == [True, False, False]


def test_too_little_memory_is_told_with_the_way_out() -> None:
    family = build()
    family.pipeline.unet.register_forward_pre_hook(lambda *_: torch.empty(2**52))
    with pytest.raises(UserError, match=r"memory is too small .*t2i\.accumulate.*lora") as caught:
        train(family, examples(family), SETTINGS)
    assert "\n" not in str(caught.value)


def test_other_errors_are_not_taken_for_it() -> None:
    family = build()

    def fail(*_: object) -> None:
        raise RuntimeError("something else")

    family.pipeline.unet.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="something else"):
        train(family, examples(family), SETTINGS)
