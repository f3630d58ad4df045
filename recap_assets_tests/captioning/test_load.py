from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoProcessor, BlipForConditionalGeneration

from recap_assets.captioning import tiny
from recap_assets.captioning.files import locate
from recap_assets.captioning.generate import caption
from recap_assets.captioning.load import load
from recap_assets.captioning.save import save
from recap_assets.experiment.captioner_settings import Captioner as Settings
from recap_assets.experiment.captioner_settings import Tune
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import folder_digest
from recap_assets_tests.captioning.pictures import images, noise, small


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(small(), tmp_path / "model", {"title": "Tiny"})
    return tmp_path / "model"


def edit(file: Path, **changes: object) -> None:
    config = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**config, **changes}), encoding="utf-8")


def test_what_was_saved_is_loaded(folder: Path) -> None:
    captioner = load(folder)
    expected = small()
    assert captioner.digest == folder_digest(folder)
    assert not captioner.family.model.training
    for a, b in zip(
        captioner.family.model.parameters(), expected.family.model.parameters(), strict=True
    ):
        assert torch.equal(a, b)
    shown = images(noise(2))
    assert caption(captioner, shown, {"a": ("red", 9)}) == caption(
        expected, shown, {"a": ("red", 9)}
    )


def test_the_folder_is_an_ordinary_one_for_transformers(folder: Path) -> None:
    model = BlipForConditionalGeneration.from_pretrained(folder)
    processor = AutoProcessor.from_pretrained(folder)
    inputs = processor(images=list(noise(1)), text="a red wall", return_tensors="pt")
    assert model.generate(**inputs, max_new_tokens=3).shape[0] == 1


def test_half_weights_take_half_the_space_and_are_read_as_float32(tmp_path: Path) -> None:
    save(small(), tmp_path / "full", {})
    save(small(), tmp_path / "half", {}, half=True)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    weights = list(load(tmp_path / "half").family.model.parameters())
    assert {w.dtype for w in weights} == {torch.float32}
    for a, b in zip(weights, small().family.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)


def test_same_content_is_loaded_once_and_changed_content_again(
    folder: Path, tmp_path: Path
) -> None:
    first = load(folder)
    assert load(str(folder)) is first
    folder.rename(tmp_path / "moved")
    assert load(tmp_path / "moved") is first
    save(small(1), tmp_path / "moved", {"title": "Tiny"})
    changed = load(tmp_path / "moved")
    assert changed is not first and changed.digest != first.digest


def test_only_the_last_captioners_stay_in_memory(tmp_path: Path) -> None:
    for seed in range(3):
        save(small(seed), tmp_path / str(seed), {})
    first, second, _ = (load(tmp_path / str(seed)) for seed in range(3))
    assert load(tmp_path / "1") is second
    assert load(tmp_path / "0") is not first


def test_settings_that_decide_how_it_is_loaded_load_it_again(folder: Path) -> None:
    first = load(folder)
    same = {"batch": 3, "revision": "x", "tune": Tune()}
    other: list[dict[str, Any]] = [{"precision": "bfloat16"}, {"view": "square"}, {"system": "Hi"}]
    assert load(folder, Settings(model="another name", **same)) is first
    for changes in other:
        assert load(folder, Settings(model="m", **changes)) is not load(folder)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_of_weights_and_arithmetic(folder: Path, precision: Any) -> None:
    captioner = load(folder, Settings(model="m", precision=precision))
    assert {p.dtype for p in captioner.family.model.parameters()} == {getattr(torch, precision)}
    got = caption(captioner, images(noise(3)), {"a": ("red", 9), "b": ("", 4)})
    assert all(one.error is None and one.n_tokens for rows in got.values() for one in rows)


def test_weights_in_several_files(folder: Path, tmp_path: Path) -> None:
    sharded = tmp_path / "sharded"
    shutil.copytree(folder, sharded)
    (sharded / "model.safetensors").unlink()
    small().family.model.save_pretrained(sharded, max_shard_size="40KB")
    files = sorted(sharded.glob("*.safetensors"))
    assert len(files) > 1
    for a, b in zip(
        load(sharded).family.model.parameters(), small().family.model.parameters(), strict=True
    ):
        assert torch.equal(a, b)
    files[1].unlink()
    with pytest.raises(UserError, match=f"1 of its weight files are missing, {files[1].name}"):
        load(sharded)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such folder; correct the path"):
        load(tmp_path / "nowhere")


def test_a_name_that_no_hub_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError) as caught:
        load("nobody/no-such-captioner", Settings(model="x", revision="main"))
    assert str(caught.value).startswith(
        "captioner nobody/no-such-captioner at main: neither a folder"
    )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [None, "not json", "[]"])
def test_a_folder_that_is_no_model(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="not a model folder"):
        load(tmp_path)


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.pt"])
def test_pickled_weights_are_never_loaded(folder: Path, file: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / file).write_bytes(b"a pickle that would run code")
    with pytest.raises(UserError, match="pickled weights can run any code"):
        load(folder)


def test_no_weights_at_all(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="it has no weights"):
        load(folder)


def test_another_family_is_named_with_the_supported_ones(folder: Path) -> None:
    edit(folder / "config.json", architectures=["Pix2StructForConditionalGeneration"])
    told = "Pix2StructForConditionalGeneration is not supported; use one of BlipForCond"
    with pytest.raises(UserError, match=told):
        load(folder)


def test_damaged_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be loaded"):
        load(folder)


def test_missing_weights_are_not_made_up(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    text = {**config["text_config"], "num_hidden_layers": 3}
    edit(folder / "config.json", text_config=text)
    with pytest.raises(UserError, match="weights are missing, text_decoder"):
        load(folder)


def test_no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UserError, match="no tokenizer"):
        load(folder)


def test_a_tokenizer_of_another_model(folder: Path) -> None:
    tiny.build(
        [" ".join(chr(i) for i in range(0x3B1, 0x3C9))], 16, hidden=32, heads=2
    ).family.tokenizer.save_pretrained(folder)
    with pytest.raises(UserError, match=r"its tokenizer has \d+ tokens, the model \d+"):
        load(folder)


def test_no_image_processor(folder: Path) -> None:
    for file in list(folder.glob("*processor*")):
        file.unlink()
    with pytest.raises(UserError, match="cannot be loaded") as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_code_beside_the_weights_is_not_run(folder: Path, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    (folder / "evil.py").write_text(
        f"open({str(witness)!r}, 'w')\nclass Model: pass\n", encoding="utf-8"
    )
    auto = {name: "evil.Model" for name in ("AutoConfig", "AutoModel", "AutoProcessor")}
    edit(folder / "config.json", auto_map=auto)
    edit(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Model", None]})
    load(folder)
    assert not witness.exists()


def test_locate_gives_the_digest_without_loading(folder: Path) -> None:
    assert locate(folder) == (folder, folder_digest(folder), "BlipForConditionalGeneration")
