"""Models by hub id, from a hub on loopback: what is fetched, and what is said where it fails."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.load import load
from recap_assets.diffusion.tokenizer import tokenizer
from recap_assets.experiment.errors import UserError
from recap_assets_tests.diffusion.making import same, weights
from recap_assets_tests.diffusion.models import stable_diffusion
from recap_assets_tests.hub import COMMIT, GATED, Hub, serving

Folders = Callable[[str], Path]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with serving(monkeypatch, tmp_path / "cache") as hub:
        yield hub


@pytest.fixture
def published(hub: Hub, folders: Folders, tmp_path: Path) -> Path:
    """A model's folder, to change, that the hub has as "some/model"."""
    hub.models["some/model"] = Path(shutil.copytree(folders("sd"), tmp_path / "published"))
    return hub.models["some/model"]


def refused(use: Callable[..., object], *args: object) -> str:
    with pytest.raises(UserError) as caught:
        use(*args)
    message = str(caught.value)
    assert message.startswith(f"text-to-image model {args[0]}") and "\n" not in message
    return message


def test_a_model_by_its_id(name: str, model: Family, folders: Folders, hub: Hub) -> None:
    hub.models["some/model"] = folders(name)
    words = tokenizer("some/model", COMMIT)
    assert words.model_max_length == model.longest
    assert not [file for file in hub.sent if file.endswith(".safetensors")]
    loaded = load("some/model", COMMIT)
    assert type(loaded) is type(model)
    for part, module in loaded.modules().items():
        assert same(module, weights(model.modules()[part]))
    assert len(hub.sent) == len(set(hub.sent))


def test_a_second_time_nothing_is_fetched_and_no_hub_is_needed(
    hub: Hub, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load("some/model")
    hub.sent.clear()
    load("some/model")
    assert hub.sent == []
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    load("some/model")
    tokenizer("some/model")


def test_what_is_not_used_is_not_fetched(hub: Hub, published: Path) -> None:
    for file in (
        "whole_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.bin",
        "unet/model.onnx",
        "safety_checker/model.safetensors",
        "evil.py",
    ):
        (published / file).parent.mkdir(exist_ok=True)
        (published / file).write_bytes(b"anything")
        before = set(hub.sent)
        load("some/model")
        assert f"some/model/{file}" not in set(hub.sent) - before


def test_half_precision_where_there_is_nothing_else(hub: Hub, published: Path) -> None:
    half = stable_diffusion.build()
    half.pipeline.to(torch.float16)
    shutil.rmtree(published)
    half.pipeline.save_pretrained(published, variant="fp16")
    loaded = load("some/model")
    for part, module in loaded.modules().items():
        before = weights(half.modules()[part])
        assert all(torch.equal(p, before[n].float()) for n, p in module.named_parameters())


def test_pickles_are_not_fetched(hub: Hub, published: Path) -> None:
    for part in ("unet", "vae", "text_encoder"):
        (file,) = (published / part).glob("*.safetensors")
        file.rename(file.with_suffix(".bin"))
    assert "safetensors" in refused(load, "some/model")
    assert not [file for file in hub.sent if file.endswith(".bin")]


@pytest.mark.parametrize("use", [load, tokenizer])
def test_no_such_model(hub: Hub, use: Callable[..., object]) -> None:
    assert "neither a folder nor on the hub" in refused(use, "some/model")


@pytest.mark.parametrize("use", [load, tokenizer])
def test_a_gated_model(hub: Hub, use: Callable[..., object]) -> None:
    hub.refused["some/model"] = GATED
    assert "accept them on its page" in refused(use, "some/model")


@pytest.mark.parametrize("use", [load, tokenizer])
def test_a_wrong_revision(hub: Hub, published: Path, use: Callable[..., object]) -> None:
    assert "it has no revision 'v9'" in refused(use, "some/model", "v9")


@pytest.mark.parametrize("use", [load, tokenizer])
def test_something_else(hub: Hub, published: Path, use: Callable[..., object]) -> None:
    (published / "model_index.json").unlink()
    assert "no model_index.json in it" in refused(use, "some/model")
    (published / "model_index.json").write_text('{"_class_name": "FluxPipeline"}', "utf-8")
    assert "names 'FluxPipeline'" in refused(use, "some/model")
    assert not [file for file in hub.sent if file.endswith(".safetensors")]


def test_a_part_that_the_hub_has_not(hub: Hub, published: Path) -> None:
    shutil.rmtree(published / "vae")
    assert "vae" in refused(load, "some/model")
