from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoProcessor, Florence2ForConditionalGeneration

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.families.florence2 import Florence2
from recap_assets.captioning.generate import caption
from recap_assets.captioning.load import load
from recap_assets.captioning.read import read
from recap_assets.captioning.save import save
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.families.alone import assert_rows_are_what_each_is_alone
from recap_assets_tests.captioning.models import florence2
from recap_assets_tests.captioning.pictures import images, noise

TASKS = ("<CAPTION>", "<DETAILED_CAPTION>", "<MORE_DETAILED_CAPTION>", "<OCR>")
START, PAD, END = 0, 1, 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return florence2.save(tmp_path_factory.mktemp("florence2"), seed=1, scale=6, tied=False)


def loaded(folder: Path) -> tuple[Captioner, Florence2]:
    captioner = load(folder)
    assert isinstance(captioner.family, Florence2)
    return captioner, captioner.family


def test_a_task_is_the_words_of_the_processor(folder: Path) -> None:
    _, family = loaded(folder)
    assert family.words("<CAPTION>") == "What does the image describe?"
    assert family.words("<DETAILED_CAPTION>") == "Describe in detail what is shown in the image."
    assert family.words("<REGION_TO_DESCRIPTION> here") == "What does the region here describe?"


@pytest.mark.parametrize("prompt", ["", "say what you see", "a text that says <CAPTION> <OCR>"])
def test_other_prompts_stay_as_they_are(folder: Path, prompt: str) -> None:
    assert loaded(folder)[1].words(prompt) == prompt


@pytest.mark.parametrize("prompt", [*TASKS, "", "short caption:", "<REGION_TO_OCR>the top"])
def test_the_text_encoder_reads_what_the_processor_makes(folder: Path, prompt: str) -> None:
    captioner, family = loaded(folder)
    shown = images(noise(2))
    processor = AutoProcessor.from_pretrained(folder)
    inputs = processor(images=shown, text=[prompt] * 2, return_tensors="pt")
    told: list[torch.Tensor] = []
    hook = family.model.get_encoder().register_forward_hook(
        lambda _, args, kwargs, output: told.append(kwargs["inputs_embeds"]), with_kwargs=True
    )
    with torch.inference_mode():
        family.prime(
            family.encode(read(captioner, shown)), torch.arange(2), [prompt, prompt], limit=1
        )
        family.model(**inputs)
    hook.remove()
    torch.testing.assert_close(told[0], told[1], rtol=0, atol=1e-5)


def test_equal_rows_are_read_once_by_the_text_encoder(folder: Path) -> None:
    captioner, family = loaded(folder)
    rows: list[int] = []
    hook = family.model.get_encoder().register_forward_hook(
        lambda _, args, output: rows.append(len(output.last_hidden_state))
    )
    with torch.inference_mode():
        memory = family.encode(read(captioner, images(noise(2))))
        decoding = family.prime(memory, torch.tensor([0, 0, 0, 1]), ["a", "a", "b", "a"], limit=1)
    hook.remove()
    assert rows == [3]
    torch.testing.assert_close(decoding.logits[0], decoding.logits[1], rtol=0, atol=0)


def test_rows_of_unequal_prompts_are_what_each_is_alone(folder: Path) -> None:
    captioner, _ = loaded(folder)
    assert_rows_are_what_each_is_alone(captioner, ["<CAPTION>", "", "short caption:"], 1e-4)


def test_a_forced_first_token_belongs_to_the_prompt(folder: Path) -> None:
    captioner, family = loaded(folder)
    with torch.inference_mode():
        memory = family.encode(read(captioner, images(noise(1))))
        assert family.prime(memory, torch.tensor([0]), ["a"], 1).prompts == [[END, START]]
    assert family.room("a") == florence2.POSITIONS - 2


def test_without_a_forced_first_token_the_model_says_it_itself(
    folder: Path, tmp_path: Path
) -> None:
    model = Florence2ForConditionalGeneration.from_pretrained(folder)
    model.generation_config.forced_bos_token_id = None
    model.save_pretrained(tmp_path)
    processor = AutoProcessor.from_pretrained(folder)
    processor.save_pretrained(tmp_path)
    shown = images(noise(5))
    inputs = processor(images=shown, text=["a"] * 5, return_tensors="pt")
    out = model.generate(**inputs, max_new_tokens=9, num_beams=1, forced_eos_token_id=None)
    captioner, family = loaded(tmp_path)
    got = caption(captioner, shown, {"style": ("a", 9)})["style"]
    assert [one.text for one in got] == [family.text(row) for row in out[:, 1:].tolist()]


def test_a_caption_that_was_cut_says_so_although_the_model_forces_an_end(folder: Path) -> None:
    captioner, family = loaded(folder)
    assert family.model.generation_config.forced_eos_token_id == END
    got = caption(captioner, images(noise(3)), {"style": ("a", 7)})["style"]
    assert [(one.finished, one.n_tokens) for one in got] == [(False, 7)] * 3


def test_no_three_words_are_said_twice_as_the_model_has_it(tmp_path: Path) -> None:
    # Random weights that read and write with the same numbers repeat themselves.
    folder = florence2.save(tmp_path, seed=2, scale=6)
    captioner, family = loaded(folder)
    shown = images(noise(6))
    got = caption(captioner, shown, {"style": ("a", 24)})["style"]
    model = Florence2ForConditionalGeneration.from_pretrained(folder)
    inputs = AutoProcessor.from_pretrained(folder)(
        images=shown, text=["a"] * 6, return_tensors="pt"
    )
    own = {"max_new_tokens": 25, "num_beams": 1, "forced_eos_token_id": None}
    said = [model.generate(**inputs, **own, **more) for more in ({}, {"no_repeat_ngram_size": 0})]
    texts = [[family.text(row) for row in rows.tolist()] for rows in said]
    assert [one.text for one in got] == texts[0] != texts[1]


def test_a_prompt_that_the_text_encoder_has_no_place_for_leaves_no_room(folder: Path) -> None:
    captioner, family = loaded(folder)
    assert family.room("a" * 20) == florence2.POSITIONS - 2
    assert family.room("a" * 300) == 0
    with pytest.raises(UserError, match="the 0 tokens"):
        caption(captioner, images(noise(1)), {"style": ("a" * 300, 1)})


@pytest.mark.parametrize("half", [False, True])
def test_tied_weights_are_stored_once(tmp_path: Path, half: bool) -> None:
    captioner = load(florence2.save(tmp_path / "new"))
    save(captioner, tmp_path / "saved", {}, half=half)
    stored = []
    for name in ("new", "saved"):
        with safe_open(tmp_path / name / "model.safetensors", "pt") as file:
            stored.append(sorted(file.keys()))
    assert stored[0] == stored[1]
    assert not any("lm_head" in name for name in stored[1])
