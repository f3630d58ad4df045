from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from recap_assets.captioning import rerank
from recap_assets.captioning.save import save
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning import dual
from recap_assets_tests.captioning.pictures import images, noise, small

TEXTS = ["a red wall", "gray", "a picture of a wall in blue paint and nothing else is green", ""]


@pytest.fixture(params=[dual.clip, dual.siglip], ids=["clip", "siglip"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    build: Callable[[Path], Path] = request.param
    return build(tmp_path / "model")


def test_cosines_are_those_of_transformers(folder: Path) -> None:
    reranker = rerank.load(folder)
    shown = images(noise(3))
    read = reranker.reader.collate([reranker.reader(one) for one in shown])
    at = [0, 0, 1, 2, 2, 2]
    texts = [TEXTS[i] for i in (0, 1, 2, 3, 0, 2)]
    got = reranker.fit(read, at, texts)
    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    padding = "max_length" if model.config.model_type == "siglip" else True
    tokens = tokenizer(texts, padding=padding, truncation=True, max_length=12, return_tensors="pt")
    pixels = reranker.image_processor(images=[shown[i] for i in at], return_tensors="pt")
    with torch.no_grad():
        output = model(**tokens, **pixels)
    cosine = torch.nn.functional.cosine_similarity(output.text_embeds, output.image_embeds)
    np.testing.assert_allclose(got, cosine.numpy(), atol=1e-5)
    assert len({round(one, 4) for one in got}) == 6


def test_each_picture_and_each_text_is_embedded_once(folder: Path) -> None:
    reranker = rerank.load(folder)
    seen: list[int] = []
    for part in (reranker.model.vision_model, reranker.model.text_model):
        part.register_forward_hook(lambda _, __, output: seen.append(len(output[0])))
    read = reranker.reader.collate([reranker.reader(one) for one in images(noise(2))])
    reranker.fit(read, [0, 0, 0, 1, 1, 1], [TEXTS[0], TEXTS[0], TEXTS[1]] * 2)
    assert seen == [2, 2]


def test_a_model_is_loaded_once(folder: Path) -> None:
    assert rerank.load(folder) is rerank.load(folder)


def test_what_is_no_reranker_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="reranker .*nowhere: there is no such folder"):
        rerank.load(tmp_path / "nowhere")
    with pytest.raises(UserError, match="reranker .*: cannot be loaded"):
        rerank.load(tmp_path)
    save(small(), tmp_path / "captioner", {})
    config = tmp_path / "captioner" / "config.json"
    bert = {"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1}
    config.write_text(json.dumps({**bert, "num_attention_heads": 1}), encoding="utf-8")
    with pytest.raises(UserError, match=r"cannot be loaded .*; name a CLIP or SigLIP model"):
        rerank.load(tmp_path / "captioner")
