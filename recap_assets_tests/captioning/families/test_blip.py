from __future__ import annotations

import pytest
import torch
from transformers import BlipProcessor

from recap_assets.captioning.families.blip import Blip
from recap_assets.captioning.families.padding import labels, pad
from recap_assets.captioning.read import read
from recap_assets_tests.captioning.families.alone import assert_rows_are_what_each_is_alone
from recap_assets_tests.captioning.pictures import CAPTIONS, PREFIXES, images, small, walls


def blip() -> Blip:
    family = small().family
    assert isinstance(family, Blip)
    return family


def test_prefix_is_what_the_processor_gives_to_generate() -> None:
    family = blip()
    processor = BlipProcessor(family.image_processor, family.tokenizer)
    ids = processor(text="short caption:", return_tensors="np")["input_ids"][0]
    start = family.model.config.text_config.bos_token_id
    assert family.prefix("short caption:") == [start, *ids[1:-1].tolist()]
    assert family.prefix("") == [start]


def test_room_is_what_the_prefix_leaves() -> None:
    assert blip().room("short caption:") == 24 - 4
    assert blip().room("") == 23


def test_padding_and_labels_worked_by_hand() -> None:
    rows = pad([[7, 8, 9], [5]], 0, "right")
    assert rows.ids.tolist() == [[7, 8, 9], [5, 0, 0]]
    assert rows.mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert labels(rows, [1, 0]).tolist() == [[-100, 8, 9], [5, -100, -100]]
    assert pad([[7, 8, 9], [5]], 0, "left").ids.tolist() == [[7, 8, 9], [0, 0, 5]]


def test_rows_of_unequal_prompts_are_what_each_is_alone() -> None:
    prompts = ["short caption:", "", "a long picture of nothing else"]
    assert_rows_are_what_each_is_alone(small(), prompts, 1e-5)


def test_loss_is_the_cross_entropy_of_caption_and_end() -> None:
    captioner = small()
    family = blip()
    prefixes = [PREFIXES["short"]] * 4
    with torch.no_grad():
        loss = family.loss(read(captioner, images(walls())), range(4), prefixes, CAPTIONS["short"])
    processor = BlipProcessor(family.image_processor, family.tokenizer)
    texts = [f"{a} {b}" for a, b in zip(prefixes, CAPTIONS["short"], strict=True)]
    inputs = processor(images=images(walls()), text=texts, return_tensors="pt")
    inputs["input_ids"][:, 0] = family.model.config.text_config.bos_token_id
    with torch.no_grad():
        chance = family.model(**inputs).logits.log_softmax(-1)
    # [DEC] short caption : | a red wall [SEP]
    ids = inputs["input_ids"]
    picked = [-chance[i, t - 1, ids[i, t]].item() for i in range(4) for t in range(4, 8)]
    assert ids.shape == (4, 8)
    assert loss.item() == pytest.approx(sum(picked) / 16, rel=1e-5)


def test_a_caption_beyond_the_model_does_not_teach_to_stop() -> None:
    captioner, family = small(), blip()
    shown = read(captioner, images(walls()[:1]))
    (end,) = family.ends
    before = family.model.text_decoder.cls.predictions.bias
    family.loss(shown, [0], ["short caption:"], ["red " * 40]).backward()
    cut = before.grad[end].item()
    before.grad = None
    family.loss(shown, [0], ["short caption:"], ["red " * 3]).backward()
    # Only where the end is a target does its bias want to grow.
    assert cut > 0 > before.grad[end].item()
