from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

from recap_assets.diffusion.families.stable_diffusion import StableDiffusion
from recap_assets.diffusion.identity import latents_digest
from recap_assets.diffusion.load import load, to_device
from recap_assets.diffusion.sample import sample
from recap_assets.diffusion.tokenizer import tokenizer
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import model_digest
from recap_assets_tests.diffusion.making import CAPTIONS, LENGTH, build, same, weights

NETWORKS = ("vae", "unet", "text_encoder")
UNET = "unet/diffusion_pytorch_model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"


def edit(file: Path, **changes: object) -> None:
    config = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**config, **changes}), encoding="utf-8")


def refused(model: Path | str) -> str:
    with pytest.raises(UserError) as caught:
        load(model)
    message = str(caught.value)
    assert message.startswith(f"text-to-image model {model}: ")
    assert "\n" not in message
    return message


def test_what_was_saved_is_loaded_ready_to_draw(saved: Path, family: StableDiffusion) -> None:
    loaded = load(saved)
    for part in NETWORKS:
        module = getattr(loaded.pipeline, part)
        assert same(module, weights(getattr(family.pipeline, part)))
        assert not module.training and module.dtype == torch.float32
    assert type(loaded.pipeline.scheduler) is type(family.pipeline.scheduler)
    assert loaded.pipeline.scheduler.config.prediction_type == "v_prediction"
    assert loaded.pipeline.safety_checker is None
    assert (
        loaded.pipeline.tokenizer(CAPTIONS).input_ids
        == family.pipeline.tokenizer(CAPTIONS).input_ids
    )
    asked = [("p", CAPTIONS[0], 0)]
    drawn, expected = (next(sample(p, asked, 2, 3.0, 1, 0)) for p in (loaded, family))
    assert np.array_equal(drawn, expected)


def test_no_progress_bar_is_drawn(saved: Path, capfd: pytest.CaptureFixture[str]) -> None:
    next(sample(load(str(saved)), [("p", "", 0)], 2, 1.0, 1, 0))
    assert capfd.readouterr() == ("", "")


def test_half_weights_are_read_as_float32(tmp_path: Path) -> None:
    build().pipeline.to(torch.float16).save_pretrained(tmp_path / "half")
    expected, loaded = build(), load(tmp_path / "half")
    for part in NETWORKS:
        before = weights(getattr(expected.pipeline, part))
        for name, value in getattr(loaded.pipeline, part).named_parameters():
            assert value.dtype == torch.float32
            assert torch.equal(value, before[name].half().float())


def test_saved_again_it_is_an_ordinary_folder_for_diffusers(saved: Path, tmp_path: Path) -> None:
    loaded = load(saved)
    loaded.pipeline.save_pretrained(tmp_path / "again", safe_serialization=True)
    plain = DiffusionPipeline.from_pretrained(tmp_path / "again", use_safetensors=True)
    assert type(plain).__name__ == "StableDiffusionPipeline"
    for part in NETWORKS:
        assert same(getattr(plain, part), weights(getattr(loaded.pipeline, part)))
    assert not list((tmp_path / "again").rglob("*.bin"))


def test_the_device_is_the_gpu_where_there_is_one(family: StableDiffusion) -> None:
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    assert to_device(family).device.type == kind


def test_a_missing_folder(tmp_path: Path) -> None:
    assert "there is no such folder" in refused(tmp_path / "nowhere")
    with pytest.raises(UserError, match="nowhere: there is no such folder"):
        tokenizer(tmp_path / "nowhere")


def test_a_name_that_no_hub_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "neither a folder nor to be had from the hub" in refused("nobody/no-such-model")
    with pytest.raises(UserError, match="neither a folder nor to be had") as caught:
        tokenizer("nobody/no-such-model")
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_pipeline(saved: Path) -> None:
    assert "no model_index.json" in refused(saved / "unet")
    with pytest.raises(UserError, match=r"no model_index\.json"):
        tokenizer(saved / "unet")


@pytest.mark.parametrize("text", ["not json", "[]", "{}", '{"_class_name": ["pipeline", "Evil"]}'])
def test_an_index_that_names_no_pipeline(folder: Path, text: str) -> None:
    (folder / "model_index.json").write_text(text, encoding="utf-8")
    assert "name a model for StableDiffusionPipeline" in refused(folder)


@pytest.mark.parametrize("kind", ["FluxPipeline", "StableDiffusionInpaintPipeline"])
def test_another_kind_of_pipeline(folder: Path, kind: str) -> None:
    edit(folder / "model_index.json", _class_name=kind)
    assert f"names '{kind}'" in refused(folder)


@pytest.mark.parametrize("part", [*NETWORKS, "tokenizer", "scheduler"])
def test_a_missing_part(folder: Path, part: str) -> None:
    shutil.rmtree(folder / part)
    assert f"its part '{part}' is missing; save it again" in refused(folder)


@pytest.mark.parametrize("file", [UNET, TEXT, "vae/config.json", "scheduler/scheduler_config.json"])
def test_a_missing_file(folder: Path, file: str) -> None:
    (folder / file).unlink()
    assert Path(file).name in refused(folder)


@pytest.mark.parametrize(
    ("safe", "pickled"),
    [
        (UNET, "diffusion_pytorch_model.bin"),
        (VAE, "diffusion_pytorch_model.bin"),
        (TEXT, "pytorch_model.bin"),
    ],
)
def test_pickled_weights_are_never_loaded(folder: Path, safe: str, pickled: str) -> None:
    part = (folder / safe).parent
    # Real ones, which would load if pickles were let in.
    torch.save(getattr(build().pipeline, part.name).state_dict(), part / pickled)
    (folder / safe).unlink()
    assert "safetensors" in refused(folder)


@pytest.mark.parametrize("file", [UNET, VAE, TEXT])
@pytest.mark.parametrize("size", [0, 1000, -1])
def test_damaged_weights(folder: Path, file: str, size: int) -> None:
    (folder / file).write_bytes((folder / file).read_bytes()[:size])
    assert "cannot be loaded" in refused(folder)


@pytest.mark.parametrize(
    ("part", "changes"),
    [("text_encoder", {"num_hidden_layers": 3}), ("vae", {"layers_per_block": 2})],
)
def test_missing_weights_are_not_made_up(folder: Path, part: str, changes: dict[str, int]) -> None:
    edit(folder / part / "config.json", **changes)
    assert f"weights of its {part} are missing" in refused(folder)


def test_weights_of_another_shape(folder: Path) -> None:
    edit(folder / "unet" / "config.json", block_out_channels=[8, 32])
    assert "cannot be loaded" in refused(folder)


def test_code_beside_the_weights_is_not_run(folder: Path, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    code = f"open({str(witness)!r}, 'w')\nclass Evil: pass\n"
    (folder / "scheduler" / "evil.py").write_text(code, encoding="utf-8")
    edit(folder / "model_index.json", scheduler=["evil", "Evil"])
    refused(folder)
    assert not witness.exists()


def test_a_tokenizer_without_vocabulary_is_not_taken_for_an_empty_one(folder: Path) -> None:
    (folder / "tokenizer" / "tokenizer.json").unlink()
    assert "no vocabulary" in refused(folder)
    with pytest.raises(UserError, match="no vocabulary"):
        tokenizer(folder)


@pytest.mark.parametrize("text", ["not json", "{}"])
def test_a_damaged_tokenizer(folder: Path, text: str) -> None:
    (folder / "tokenizer" / "tokenizer.json").write_text(text, encoding="utf-8")
    refused(folder)
    with pytest.raises(UserError, match="no usable tokenizer"):
        tokenizer(folder)


def test_a_tokenizer_with_more_tokens_than_the_text_encoder(folder: Path) -> None:
    words = tokenizer(folder)
    words.add_tokens([f"<extra{i}>" for i in range(200)])
    words.save_pretrained(folder / "tokenizer")
    assert f"its tokenizer has {len(words)} tokens, its text encoder" in refused(folder)


def test_the_tokenizer_alone_counts_as_the_pipeline_does(
    saved: Path, family: StableDiffusion
) -> None:
    words = tokenizer(saved)
    assert words.model_max_length == LENGTH
    assert words(CAPTIONS).input_ids == family.pipeline.tokenizer(CAPTIONS).input_ids
    assert tokenizer(str(saved)) is words


def test_a_changed_tokenizer_is_read_again(folder: Path) -> None:
    assert tokenizer(folder).model_max_length == LENGTH
    edit(folder / "tokenizer" / "tokenizer_config.json", model_max_length=7)
    assert tokenizer(folder).model_max_length == 7


@pytest.mark.parametrize("file", [UNET, VAE, TEXT, "tokenizer/tokenizer.json"])
def test_a_changed_byte_changes_the_digest(folder: Path, saved: Path, file: str) -> None:
    assert model_digest(folder) == model_digest(saved) == model_digest(str(saved))
    content = bytearray((folder / file).read_bytes())
    content[-1] ^= 1
    (folder / file).write_bytes(content)
    assert model_digest(folder) != model_digest(saved)
    assert (latents_digest(folder) != latents_digest(saved)) == (file == VAE)


def test_another_picture_size_changes_the_digest_of_latents(folder: Path) -> None:
    before = latents_digest(folder)
    edit(folder / "unet" / "config.json", sample_size=16)
    assert latents_digest(folder) != before


def test_a_model_card_does_not_change_the_digest(folder: Path) -> None:
    before = model_digest(folder)
    (folder / "README.md").write_text("# A model\n", encoding="utf-8")
    assert model_digest(folder) == before
    (folder / "README.md").write_text("# A better model\n", encoding="utf-8")
    assert model_digest(folder) == before


def test_a_hub_model_is_identified_by_id_and_revision() -> None:
    found = {
        model_digest("some/model"),
        model_digest("some/model", "main"),
        model_digest("some/model", "v2"),
        model_digest("some/other", "main"),
    }
    assert len(found) == 4
    assert model_digest("some/model", "v2") == model_digest("some/model", "v2")
    assert latents_digest("some/model", "v2") != latents_digest("some/model", "main")
