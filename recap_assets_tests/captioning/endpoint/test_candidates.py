"""Several candidates, from servers that give them at once, one by one, or refuse to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoTokenizer, CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from recap_assets.captioning.endpoint.batches import batches
from recap_assets.captioning.question import Question
from recap_assets.captions.generated import Generated
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.endpoint.asking import FAST, Pictures, question, settings
from recap_assets_tests.captioning.endpoint.hostile import Call, Hostile
from recap_assets_tests.captioning.models import bpe
from recap_assets_tests.captioning.models.weights import random


def three(total: int = 2) -> Question:
    """Of pictures whose seeds are 7, 8, ..."""
    seeds = [7 + place for place in range(total)]
    return question(total, temperature=1.0, candidates=3, seeds=seeds)


def choice(index: int, text: str, *logprobs: float) -> dict[str, Any]:
    tokens = [{"token": "a", "logprob": one} for one in logprobs]
    told = {"logprobs": {"content": tokens}} if tokens else {}
    message = {"role": "assistant", "content": text}
    return {"index": index, "message": message, "finish_reason": "stop", **told}


def run(server: Hostile, asked: Question, **changes: Any) -> list[Generated]:
    its, total = settings(server.url, endpoint_concurrency=1, **changes), len(asked.prompts)
    made = batches(its, Pictures(total), total, [asked], 2, pace=FAST)
    return [one for _, rows in made for one in rows["short"]]


def test_the_likeliest_of_those_that_come_at_once() -> None:
    def behave(call: Call) -> None:
        assert (call.asked["n"], call.asked["logprobs"]) == (3, True)
        call.answer(
            choices=[
                choice(2, "third", -0.1, -0.9, -0.2),
                choice(0, "first", -0.5),
                choice(1, "second", -0.3, -0.4),
            ],
            usage={"completion_tokens": 6},
        )

    with Hostile(behave) as server:
        assert run(server, three()) == [Generated("second", True, 2)] * 2
    assert len(server.calls) == 2


def test_a_server_that_gives_one_is_asked_for_the_others_by_other_seeds() -> None:
    with Hostile(lambda call: call.answer(f"seed {call.asked['seed']}")) as server:
        made = run(server, three())
        again = run(server, three())
    assert [one.text for one in made] == ["seed 7", "seed 8"], "the first, for want of a measure"
    assert made == again
    seeds = [call.asked["seed"] for call in server.calls[:6]]
    assert len(set(seeds)) == 6
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert seeds == [call.asked["seed"] for call in server.calls[6:]]


def test_a_server_that_rejects_several_is_soon_asked_for_one() -> None:
    def behave(call: Call) -> None:
        if "n" in call.asked or "logprobs" in call.asked:
            call.send(400, b"n must be 1")
        else:
            call.answer(f"seed {call.asked['seed']}")

    with Hostile(behave) as server:
        made = run(server, three(40))
    assert [one.text for one in made] == [f"seed {7 + place}" for place in range(40)]
    several = ["n" in call.asked for call in server.calls].count(True)
    assert several <= 8, "those that were under way already"
    assert len(server.calls) == several + 3 * 40


def test_a_picture_that_is_rejected_does_not_end_asking_for_several() -> None:
    def behave(call: Call) -> None:
        if call.prompt == "short 0":
            call.send(400, b"too large")
        else:
            call.answer(choices=[choice(n, f"text {n}", -n - 1.0) for n in range(3)])

    with Hostile(behave) as server:
        first, *others = run(server, three(20))
    assert first == Generated("", False, 0, "HTTP 400: too large")
    assert [one.text for one in others] == ["text 0"] * 19
    assert "n" in server.calls[-1].asked


def test_candidates_that_fail_leave_the_others() -> None:
    def behave(call: Call) -> None:
        if call.attempt == 0:
            call.answer(None, finish_reason="content_filter")
        else:
            call.answer("good")

    with Hostile(behave) as server:
        assert [one.text for one in run(server, three())] == ["good", "good"]


TEXTS = ["a red wall", "nothing", "everything is green", "blue paint", "gray is this wall"]


def clip(folder: Path) -> Path:
    """A CLIP with random weights for 16 pixels."""
    words = bpe.byte_level(("<|startoftext|>", "<|endoftext|>"))
    tokenizer = CLIPTokenizer(vocab=words.vocab, merges=words.merges)
    shared = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    text = {**shared, "num_hidden_layers": 2, "vocab_size": len(tokenizer)}
    text |= {"eos_token_id": tokenizer.eos_token_id, "max_position_embeddings": 32}
    vision = {**shared, "num_hidden_layers": 2, "image_size": 16, "patch_size": 8}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    random(CLIPModel, config, 0, 3.0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = {"height": 16, "width": 16}
    CLIPImageProcessorPil(size=size, crop_size=size).save_pretrained(folder)
    return folder


def likeliest(folder: Path, pictures: Sequence[Image.Image]) -> list[str]:
    """The text of `TEXTS` that CLIP itself, as transformers documents it, finds for each."""
    model = CLIPModel.from_pretrained(folder)
    texts = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    pixels = CLIPImageProcessorPil.from_pretrained(folder)(pictures, return_tensors="pt")
    with torch.inference_mode():
        found = model(**texts, **pixels).logits_per_image.argmax(-1)
    return [TEXTS[place] for place in found.tolist()]


def test_a_reranker_chooses_by_picture(tmp_path: Path) -> None:
    folder = clip(tmp_path)

    def behave(call: Call) -> None:
        call.answer(choices=[choice(n, text, -n - 1.0) for n, text in enumerate(TEXTS)])

    asked = question(12, temperature=1.0, candidates=len(TEXTS))
    expected = likeliest(folder, Pictures(12).pictures)
    with Hostile(behave) as server:
        made = run(server, asked, reranker=str(folder))
        unranked = run(server, asked)
    assert [one.text for one in made] == expected
    assert len(set(expected)) > 1
    assert {one.text for one in unranked} == {TEXTS[0]}


def test_a_missing_reranker_is_told_before_anything_is_asked() -> None:
    told = pytest.raises(UserError, match="reranker /no/such")
    with Hostile(lambda call: call.answer()) as server, told:
        run(server, three(), reranker="/no/such")
    assert server.calls == []


def test_more_than_was_asked_for_is_not_looked_at() -> None:
    def behave(call: Call) -> None:
        call.answer(choices=[choice(n, f"text {n}", -5.0 + n) for n in range(5)])

    with Hostile(behave) as server:
        assert [one.text for one in run(server, three())] == ["text 2", "text 2"]


def test_without_a_temperature_there_is_one_candidate() -> None:
    with Hostile(lambda call: call.answer()) as server:
        run(server, question(2, candidates=3))
    assert len(server.calls) == 2
    assert not any("n" in call.asked for call in server.calls)
