from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.read import read
from recap_assets.captioning.train import PARTS, evaluating, parts_of, rate, train
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.pictures import CAPTIONS, PREFIXES, images, small, walls

SHORT = (read(small(), images(walls())), range(4), [PREFIXES["short"]] * 4, CAPTIONS["short"])


def test_loss_falls_on_pictures_learnt_by_heart(learnt: tuple[Captioner, list[float]]) -> None:
    captioner, losses = learnt
    # No word could be known better than by chance at first.
    assert losses[0] > 0.8 * math.log(len(captioner.family.tokenizer))
    assert losses[-1] < 0.05
    assert not captioner.family.model.training


def test_several_captions_of_a_picture_cost_one_encoding_and_give_the_same_loss() -> None:
    seen: list[int] = []
    captioner = small()
    captioner.family.model.vision_model.register_forward_pre_hook(
        lambda _, args: seen.append(len(args[0]))
    )
    prefixes = [PREFIXES[style] for style in CAPTIONS for _ in range(4)]
    captions = [*CAPTIONS["short"], *CAPTIONS["long"]]
    once = read(captioner, images(walls()))
    twice = read(captioner, images(np.concatenate([walls(), walls()])))
    rows = (prefixes, captions)
    shared = train(captioner, [(once, [*range(4), *range(4)], *rows)], lr=0.0, steps=1)
    apart = train(captioner, [(twice, range(8), *rows)], lr=0.0, steps=1)
    assert seen == [4, 8]
    assert shared == pytest.approx(apart, rel=1e-5)


def test_same_seed_same_weights_and_another_seed_others() -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        captioner = small()
        torch.manual_seed(torch.seed())  # what happens outside must not matter
        train(captioner, [SHORT] * 3, lr=1e-3, steps=3, dropout=0.2, seed=seed)
        return list(captioner.family.model.parameters())

    one, again, other = weights(7), weights(7), weights(8)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_dropout_ends_with_training() -> None:
    captioner = small()
    train(captioner, [SHORT], lr=1e-3, steps=1, dropout=0.5)
    rates = {
        layer.p for layer in captioner.family.model.modules() if isinstance(layer, torch.nn.Dropout)
    }
    assert rates == {0.0}


def test_rate_rises_then_falls_along_a_cosine() -> None:
    assert [rate(step, 12, 4) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert rate(4, 12, 4) == 1.0
    assert rate(8, 12, 4) == pytest.approx(0.5)
    assert rate(12, 12, 4) == pytest.approx(0.0)


def test_progress_is_told_each_step() -> None:
    told: list[tuple[int, float]] = []
    losses = train(small(), [SHORT] * 9, lr=1e-3, steps=2, progress=lambda *x: told.append(x))
    assert told == [(1, losses[0]), (2, losses[1])]


def test_batches_that_end_early_are_an_error() -> None:
    with pytest.raises(ValueError, match="ended after 2 of 3 steps"):
        train(small(), [SHORT] * 2, lr=1e-3, steps=3)


@pytest.mark.parametrize("part", PARTS)
def test_only_the_named_weights_move(part: str) -> None:
    captioner = small()
    before = {name: value.clone() for name, value in captioner.family.model.named_parameters()}
    train(
        captioner,
        [SHORT] * 2,
        lr=1e-3,
        steps=2,
        dropout=0.1,
        modules=parts_of(captioner.family, [part]),
    )
    after = dict(captioner.family.model.named_parameters())
    moved = {name.split(".")[0] for name, value in before.items() if (value != after[name]).any()}
    assert moved == set(captioner.family.parts[part])
    assert all(value.requires_grad for value in after.values())


def test_an_image_encoder_that_stays_has_no_dropout() -> None:
    captioner = small()
    dropout = torch.nn.Dropout(0.5)
    captioner.family.model.vision_model.embeddings.add_module("drop", dropout)
    seen: list[bool] = []
    captioner.family.model.vision_model.register_forward_hook(
        lambda *_: seen.append(dropout.training)
    )
    decoder = parts_of(captioner.family, ["text_decoder"])
    train(captioner, [SHORT], lr=0.0, steps=1, dropout=0.5, modules=decoder)
    train(captioner, [SHORT], lr=0.0, steps=1, dropout=0.5)
    assert seen == [False, True]


def test_losses_are_those_of_a_plain_loop() -> None:
    """Written out with the model's own forward pass, torch's AdamW and a schedule by hand."""
    captioner, plain = small(), small()
    tokenizer, model = plain.family.tokenizer, plain.family.model
    steps, warmup, lr = 12, 3, 3e-3
    ids = torch.tensor(
        [plain.family.prefix(PREFIXES["short"]) + tokenizer(c)["input_ids"][1:] for c in SHORT[3]]
    )
    head = len(plain.family.prefix(PREFIXES["short"]))
    asked = plain.family.image_processor(images=images(walls()), return_tensors="pt")
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.98), weight_decay=0.01)
    expected = []
    for step in range(steps):
        logits = model(asked["pixel_values"], input_ids=ids).logits
        loss = torch.nn.functional.cross_entropy(
            logits[:, head - 1 : -1].flatten(0, 1), ids[:, head:].flatten()
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        rising = (step + 1) / warmup
        falling = (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2
        optimizer.param_groups[0]["lr"] = lr * (rising if step < warmup else falling)
        optimizer.step()
        expected.append(loss.item())
    assert train(captioner, [SHORT] * steps, lr=lr, steps=steps, warmup=warmup) == pytest.approx(
        expected, abs=1e-5
    )
    assert expected[-1] < expected[0] - 1


def test_who_watches_may_end_the_training_and_changes_nothing_else() -> None:
    seen: list[int] = []

    def watch(step: int) -> bool:
        seen.append(step)
        with evaluating(watched.family.model):
            assert not any(module.training for module in watched.family.model.modules())
            watched.family.loss(*SHORT)
        return step == 3

    watched, alone = small(), small()
    how = {"lr": 1e-3, "steps": 5, "dropout": 0.3}
    losses = train(watched, [SHORT] * 5, watch=watch, **how)  # type: ignore[arg-type]
    assert losses == train(alone, [SHORT] * 5, **how)[:3]  # type: ignore[arg-type]
    assert seen == [1, 2, 3]
    assert not watched.family.model.training


def test_a_loss_that_is_no_number_is_told() -> None:
    captioner = small()
    with torch.no_grad():
        captioner.family.model.vision_model.embeddings.class_embedding.fill_(math.nan)
    with pytest.raises(UserError, match="the loss is nan at step 1; lower lr, now 0.5"):
        train(captioner, [SHORT], lr=0.5, steps=1)
