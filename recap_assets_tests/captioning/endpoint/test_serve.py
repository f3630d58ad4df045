"""Captions of a real `transformers serve` are those of the same model loaded here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.utils.import_utils import is_serve_available

from recap_assets.captioning.endpoint.batches import batches
from recap_assets.captioning.question import Question
from recap_assets.captions.generated import Generated
from recap_assets_tests.captioning.endpoint.asking import FAST, Pictures, question, settings
from recap_assets_tests.captioning.endpoint.serving import served
from recap_assets_tests.captioning.models import llava

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_serve_available(), reason="needs transformers[serving]"),
]
TOTAL = 6


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny captioner that says something of its own about each picture, and samples if asked."""
    folder = llava.save(tmp_path_factory.mktemp("model") / "llava", scale=3.0)
    loaded = AutoModelForImageTextToText.from_pretrained(folder)
    loaded.generation_config.do_sample = True
    loaded.generation_config.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def url(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(model, tmp_path_factory.mktemp("log") / "serve.log") as found:
        yield found


def ask(url: str, model: Path, asked: Sequence[Question], **changes: Any) -> list[list[Generated]]:
    its = settings(url, str(model), **changes)
    made = list(batches(its, Pictures(TOTAL, 24, 20), TOTAL, asked, 4, pace=FAST))
    return [[one for _, rows in made for one in rows[its.style]] for its in asked]


class Reference:
    """The model, its processor and its chat template, used as transformers documents them."""

    def __init__(self, folder: Path) -> None:
        self.model = AutoModelForImageTextToText.from_pretrained(folder)
        self.processor = AutoProcessor.from_pretrained(folder)

    def caption(
        self, picture: Image.Image | None, prompt: str, limit: int, system: str | None = None
    ) -> Generated:
        content: list[dict[str, Any]] = [{"type": "text", "text": prompt}]
        if picture is not None:
            content.insert(0, {"type": "image", "image": picture})
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if system is not None:
            messages.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
        inputs = self.processor.apply_chat_template(
            messages,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            rows = self.model.generate(**inputs, max_new_tokens=limit, do_sample=False)
        tokens = rows[0, inputs["input_ids"].shape[1] :]
        text = self.processor.decode(tokens, skip_special_tokens=True).strip()
        return Generated(text, len(tokens) < limit, len(tokens))


def test_greedy_captions_are_those_of_generate(url: str, model: Path) -> None:
    asked = [question(TOTAL), question(TOTAL, "long", max_tokens=20)]
    reference, pictures = Reference(model), Pictures(TOTAL, 24, 20).pictures
    expected = [
        [
            reference.caption(picture, prompt, its.max_tokens, "You write captions.")
            for picture, prompt in zip(pictures, its.prompts, strict=True)
        ]
        for its in asked
    ]
    made = ask(url, model, asked, system="You write captions.", endpoint_concurrency=4)
    assert made == expected
    assert len({one.text for one in made[1]}) > 1, "they are about their pictures"


def test_questions_without_pictures(url: str, model: Path) -> None:
    asked = question(TOTAL, picture=False)
    reference = Reference(model)
    (made,) = ask(url, model, [asked])
    assert made == [reference.caption(None, prompt, 8) for prompt in asked.prompts]


def test_sampled_captions_come_again_by_their_seeds(url: str, model: Path) -> None:
    """One at a time: this server has one random state for all requests."""

    def drawn(first: int) -> list[str]:
        seeds = [first + place for place in range(TOTAL)]
        asked = question(TOTAL, temperature=1.0, seeds=seeds, candidates=2)
        return [one.text for one in ask(url, model, [asked], endpoint_concurrency=1)[0]]

    assert drawn(0) == drawn(0) != drawn(100)


def test_another_model_than_the_one_served_is_a_row_with_its_words(url: str) -> None:
    (made,) = ask(url, Path("/no/such/model"), [question(TOTAL)])
    assert all(one.error and "HTTP 400: Server is pinned to" in one.error for one in made)
