"""What holds for every family: against diffusers' own pipelines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from recap_assets.diffusion.families import autoencoder
from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.load import load
from recap_assets.diffusion.sample import sample
from recap_assets.diffusion.save import save
from recap_assets.diffusion.tokenizer import tokenizer
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import seed as seed_of
from recap_assets_tests.diffusion.making import CAPTIONS, noise, same, weights
from recap_assets_tests.diffusion.models.parts import LENGTH, SIZE

Folders = Callable[[str], Path]


def plain(folder: Path, family: Family) -> Any:
    """The folder as diffusers loads it, which asks for parts that a model was saved without."""
    absent = {
        name: None
        for part in family.texts
        if part not in family.present
        for name in (part.encoder, part.tokenizer)
    }
    pipeline = DiffusionPipeline.from_pretrained(folder, use_safetensors=True, **absent)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def test_what_was_saved_is_loaded(name: str, model: Family, folders: Folders) -> None:
    loaded = load(folders(name))
    assert type(loaded) is type(model)
    assert loaded.modules().keys() == model.modules().keys()
    for part, module in loaded.modules().items():
        assert same(module, weights(model.modules()[part]))
        assert not module.training and module.dtype == torch.float32
    found, expected = loaded.tokenize(CAPTIONS), model.tokenize(CAPTIONS)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[part], expected[part]) for part in found)


def test_diffusers_loads_what_was_saved(name: str, model: Family, folders: Folders) -> None:
    pipeline = plain(folders(name), model)
    assert type(pipeline) is type(model.pipeline)
    for part, module in model.modules().items():
        assert same(getattr(pipeline, part), weights(module))
    told, expected = (dict(one.scheduler.config) for one in (pipeline, model.pipeline))
    assert {key: told[key] for key in expected if key[0] != "_"}.items() <= expected.items()
    assert not list(folders(name).rglob("*.bin"))


def test_half_weights_are_read_as_float32(model: Family, tmp_path: Path) -> None:
    model.pipeline.to(torch.float16)
    save(model, tmp_path / "half")
    for part, module in load(tmp_path / "half").modules().items():
        before = weights(model.modules()[part])
        for name, value in module.named_parameters():
            assert value.dtype == torch.float32
            assert torch.equal(value, before[name].float())


def test_pictures_are_those_of_diffusers_own_call(
    name: str, model: Family, folders: Folders
) -> None:
    asked = [(f"p{i}", CAPTIONS[i % 3], i % 2) for i in range(4)]
    pictures = list(sample(model, asked, 3, 3.0, 4, 7))
    expected = plain(folders(name), model)(
        [text for _, text, _ in asked],
        num_inference_steps=3,
        guidance_scale=3.0,
        generator=[
            torch.Generator().manual_seed(seed_of("sample", 7, prompt, number))
            for prompt, _, number in asked
        ],
    ).images
    for picture, other in zip(pictures, expected, strict=True):
        assert picture.dtype == np.uint8 and picture.shape == (SIZE, SIZE, 3)
        assert np.array_equal(picture, np.asarray(other))
    assert not np.array_equal(pictures[0], pictures[1])


def test_batches_change_no_picture(model: Family) -> None:
    asked = [(f"p{i}", CAPTIONS[i % 3], 0) for i in range(3)]
    together, alone = (np.stack(list(sample(model, asked, 2, 3.0, n, 0))) for n in (3, 1))
    assert np.abs(together.astype(int) - alone).max() <= 1


def test_guidance_and_words_change_the_picture(model: Family) -> None:
    def drawn(text: str, guidance: float) -> np.ndarray:
        return next(sample(model, [("p", text, 0)], 2, guidance, 1, 0))

    assert not np.array_equal(drawn(CAPTIONS[0], 1.0), drawn(CAPTIONS[0], 9.0))
    assert not np.array_equal(drawn(CAPTIONS[0], 9.0), drawn(CAPTIONS[3], 9.0))


def test_the_pipeline_draws_a_picture_from_its_latents(model: Family) -> None:
    """The autoencoder's own way back from the mode is what the pipeline makes of the latents."""
    pipeline, pictures = model.pipeline, noise(2)
    pixels = pipeline.image_processor.preprocess([Image.fromarray(one) for one in pictures])
    with torch.no_grad():
        mode = pipeline.vae.encode(pixels).latent_dist.mode()
        expected = pipeline.vae.decode(mode).sample.clamp(-1, 1) / 2 + 0.5
    found = model.encode_pictures(pictures)
    assert found.dtype == torch.float32 and found.shape == mode.shape
    assert not torch.allclose(found, mode, atol=0.01)  # they are scaled

    def instead(pipe: Any, step: int, time: Any, told: dict[str, Any]) -> dict[str, Any]:
        return {"latents": found}

    drawn = pipeline(
        CAPTIONS[:2], num_inference_steps=1, callback_on_step_end=instead, output_type="pt"
    ).images
    torch.testing.assert_close(drawn, expected, rtol=1e-4, atol=1e-5)


def test_large_pictures_are_encoded_a_few_at_a_time(
    model: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    model.pipeline.vae.encoder.register_forward_pre_hook(
        lambda module, args: sizes.append(len(args[0]))
    )
    expected = model.encode_pictures(noise(5))
    monkeypatch.setattr(autoencoder, "AT_ONCE", 2 * SIZE * SIZE)
    torch.testing.assert_close(model.encode_pictures(noise(5)), expected)
    assert sizes == [5, 2, 2, 1]


def test_no_folder_of_this_machine_is_written(name: str, folders: Folders, tmp_path: Path) -> None:
    save(load(folders(name)), tmp_path / "again")
    texts = [path.read_text(encoding="utf-8") for path in (tmp_path / "again").rglob("*.json")]
    assert texts and not [text for text in texts if str(folders(name).parent) in text]


def test_a_model_for_both_sides(model: Family) -> None:
    model.network.register_to_config(sample_size=[8, 8])
    assert model.resolution == SIZE


def test_resolution(name: str, model: Family, folders: Folders) -> None:
    assert model.resolution == SIZE
    smaller = load(folders(name), resolution=8)
    assert smaller.resolution == 8
    assert next(sample(smaller, [("p", "", 0)], 1, 1.0, 1, 0)).shape == (8, 8, 3)


def test_a_resolution_that_is_no_multiple(name: str, folders: Folders) -> None:
    with pytest.raises(UserError, match=r"t2i\.resolution 13: .* a multiple of [48]") as caught:
        load(folders(name), resolution=13)
    assert "\n" not in str(caught.value)


def test_the_longest_context_decides(name: str, model: Family, folders: Folders) -> None:
    longest = 256 if name == "sd3" else LENGTH
    words = tokenizer(folders(name))
    assert model.longest == words.model_max_length == longest
    tokens = model.tokenize([" ".join(CAPTIONS) * 20])
    assert max(ids.shape[1] for ids in tokens.values()) == longest
    assert words(" ".join(CAPTIONS) * 20, truncation=True).input_ids == max(
        (ids[0].tolist() for ids in tokens.values()), key=len
    )
    assert words.model_max_length == tokenizer(str(folders(name))).model_max_length


def test_parts_to_train(name: str, model: Family) -> None:
    denoiser = "transformer" if name.startswith("sd3") else "unet"
    encoders = ["text_encoder"] if name == "sd" else ["text_encoder", "text_encoder_2"]
    assert model.trained(["text_encoder"]) == encoders
    assert model.trained([denoiser, "text_encoder"]) == [denoiser, *encoders]
    other = "unet" if denoiser == "transformer" else "transformer"
    with pytest.raises(UserError, match=f"train: '{other}' .* has {denoiser} and text_encoder"):
        model.trained([other])
