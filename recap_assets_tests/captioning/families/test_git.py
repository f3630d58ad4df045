from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoProcessor, GitForCausalLM

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.families.git import Git
from recap_assets.captioning.load import load
from recap_assets.captioning.read import read
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.families.alone import assert_rows_are_what_each_is_alone
from recap_assets_tests.captioning.models import git
from recap_assets_tests.captioning.pictures import images, noise


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return git.save(tmp_path_factory.mktemp("git"), scale=6)


def loaded(folder: Path) -> tuple[Captioner, Git]:
    captioner = load(folder)
    assert isinstance(captioner.family, Git)
    return captioner, captioner.family


def test_text_changes_nothing_of_a_pictures_keys_and_values(folder: Path) -> None:
    captioner, family = loaded(folder)
    shown = images(noise(2))
    processor = AutoProcessor.from_pretrained(folder)
    inputs = processor(images=shown, text=["a red wall", "nothing else."], return_tensors="pt")
    with torch.inference_mode():
        memory = family.encode(read(captioner, shown))
        cache = GitForCausalLM.from_pretrained(folder)(**inputs, use_cache=True).past_key_values
    for (keys, values), layer in zip(memory, cache.layers, strict=True):
        assert keys.shape == (2, 2, 5, 16)
        torch.testing.assert_close(keys, layer.keys[:, :, :5], rtol=0, atol=1e-4)
        torch.testing.assert_close(values, layer.values[:, :, :5], rtol=0, atol=1e-4)


def test_rows_of_unequal_prompts_are_what_each_is_alone(folder: Path) -> None:
    captioner, family = loaded(folder)
    prompts = ["a red wall", "", "a green wall is nothing else."]
    with torch.inference_mode():
        memory = family.encode(read(captioner, images(noise(2))))
        together = family.prime(memory, torch.tensor([0, 0, 1]), prompts, 4)
    assert together.prompts == [family.prefix(prompt) for prompt in prompts]
    assert_rows_are_what_each_is_alone(captioner, prompts, 1e-4)


def test_a_prompt_follows_the_start_token(folder: Path) -> None:
    _, family = loaded(folder)
    vocab = family.tokenizer.get_vocab()
    assert family.prefix("a red wall") == [vocab[w] for w in ("[CLS]", "a", "red", "wall")]
    assert family.prefix("") == [vocab["[CLS]"]]
    assert family.room("a red wall") == git.POSITIONS - 4


def test_a_model_for_videos_is_refused(tmp_path: Path) -> None:
    git.save(tmp_path, frames=6)
    with pytest.raises(UserError, match="videos of 6 frames; use one for pictures"):
        load(tmp_path)
