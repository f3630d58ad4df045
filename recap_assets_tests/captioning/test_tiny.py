from __future__ import annotations

import torch

from recap_assets.captioning import tiny
from recap_assets_tests.captioning.pictures import small


def test_default_size_is_that_of_a_base_model_that_ships() -> None:
    model = tiny.build(["a red circle"]).family.model
    assert 1_200_000 <= sum(p.numel() for p in model.parameters()) <= 1_600_000
    assert model.config.vision_config.image_size == 64


def test_words_of_the_texts_stay_whole_and_others_are_spelled() -> None:
    tokenizer = tiny.build(
        ["Two red circles, left of it."], 16, hidden=32, heads=2
    ).family.tokenizer
    assert tokenizer.tokenize("two RED circles") == ["two", "red", "circles"]
    assert tokenizer.tokenize("deer") == ["d", "##e", "##e", "##r"]
    assert tokenizer.unk_token_id not in tokenizer("8 blue-ish rings!")["input_ids"]


def test_vocabulary_keeps_the_most_frequent_words_within_its_size() -> None:
    texts = ["often often often", "often twice", "twice never"]
    room = len(tiny.vocabulary(texts, 0))
    words = tiny.vocabulary(texts, room + 2)
    assert len(words) == room + 2
    assert "often" in words and "twice" in words and "never" not in words
    assert list(words.values()) == list(range(len(words)))


def test_vocabulary_does_not_depend_on_the_order_of_texts() -> None:
    texts = ["one ring", "two rings", "ring one", "a b c"]
    assert tiny.vocabulary(texts, 200) == tiny.vocabulary(texts[::-1], 200)


def test_weights_follow_from_the_seed_and_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    same, again, other = small(1), small(1), small(2)
    assert torch.equal(torch.rand(3), expected)
    for a, b in zip(same.family.model.parameters(), again.family.model.parameters(), strict=True):
        assert torch.equal(a, b)
    word = "text_decoder.bert.embeddings.word_embeddings.weight"
    assert not torch.equal(
        same.family.model.state_dict()[word], other.family.model.state_dict()[word]
    )


def test_image_encoder_starts_with_weights_of_ordinary_size() -> None:
    weight = small().family.model.vision_model.encoder.layers[0].self_attn.qkv.weight
    assert 0.01 < weight.std().item() < 0.1
