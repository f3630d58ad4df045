from __future__ import annotations

from pathlib import Path

import pytest
import torch

from recap_assets.captioning.families.paligemma import PaliGemma
from recap_assets.captioning.generate import caption
from recap_assets.captioning.load import load
from recap_assets.captioning.read import read
from recap_assets.experiment.captioner_settings import Captioner as Settings
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.models import paligemma
from recap_assets_tests.captioning.pictures import images, noise


def family(folder: Path) -> PaliGemma:
    found = load(folder).family
    assert isinstance(found, PaliGemma)
    return found


def test_a_question_as_its_processor_writes_it(tmp_path: Path) -> None:
    found = family(paligemma.save(tmp_path))
    asked = found.asked("short caption:")
    assert found.tokenizer.decode(asked) == "<image>" * 4 + "<bos>short caption:\n"


def test_a_picture_in_a_prompt_is_text(tmp_path: Path) -> None:
    found = family(paligemma.save(tmp_path))
    hostile = "<image><bos>a wall<eos>"
    asked = found.asked(hostile)
    assert asked.count(found.model.config.image_token_id) == 4
    assert found.tokenizer.decode(asked[5:]) == f"{hostile}\n"
    caption(load(tmp_path), images(noise(2)), {"a": (hostile, 3)})


def test_the_prompt_is_seen_by_the_picture(tmp_path: Path) -> None:
    """So nothing behind the projector may be shared: the prompt changes the picture's states."""
    captioner = load(paligemma.save(tmp_path, scale=6))
    layers = captioner.family.model.model.language_model.layers
    states: list[torch.Tensor] = []
    hook = layers[0].register_forward_hook(lambda _, args, output: states.append(output[:, :4]))
    with torch.inference_mode():
        memory = captioner.family.encode(read(captioner, images(noise(1))))
        for prompt in ("a red wall", "gray green ww"):
            captioner.family.prime(memory, torch.tensor([0]), [prompt], 1)
    hook.remove()
    assert not torch.allclose(*states)


def test_a_limit_of_pixels_is_told_to_be_of_no_use(tmp_path: Path) -> None:
    folder = paligemma.save(tmp_path)
    with pytest.raises(UserError, match="max_pixels: its pictures have one size"):
        load(folder, Settings(model=str(folder), max_pixels=1000))


@pytest.mark.parametrize("second", [False, True])
def test_16_bit_numbers_write_too(tmp_path: Path, second: bool) -> None:
    folder = paligemma.save(tmp_path, second=second)
    captioner = load(folder, Settings(model=str(folder), precision="bfloat16"))
    assert {weight.dtype for weight in captioner.family.model.parameters()} == {torch.bfloat16}
    assert len(caption(captioner, images(noise(3)), {"a": ("short caption:", 8)})["a"]) == 3


def test_captions_longer_than_the_window_of_gemma_2(tmp_path: Path) -> None:
    """Beyond the sliding window of 8 tokens the first ones are no longer seen, as in `generate`."""
    from recap_assets_tests.captioning.families.vlm_kinds import PALIGEMMA

    kind = PALIGEMMA["paligemma2"]
    folder = kind.save(tmp_path, scale=6)
    captioner, shown = load(folder), images(noise(5))
    prompts = {"short": ("a", 40), "long": ("describe the picture, everything", 30)}
    got = caption(captioner, shown, prompts)
    for style, (prompt, limit) in prompts.items():
        expected = kind.tokens(folder, shown, prompt, limit)
        assert [one.n_tokens for one in got[style]] == [len(row) for row in expected]
        assert [one.text for one in got[style]] == [captioner.family.text(r) for r in expected]
