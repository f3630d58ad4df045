"""LoRA on every family, from a model in its own form to an adapter that peft puts on it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from peft import PeftModel

from recap_assets.captioning import lora
from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.load import load
from recap_assets.captioning.read import read
from recap_assets.captioning.save import save
from recap_assets.captioning.train import PARTS
from recap_assets.captioning.tune import TuneResult, tune
from recap_assets.experiment.captioner_settings import Tune
from recap_assets_tests.captioning.human_set import human
from recap_assets_tests.captioning.models import florence2, git, llava, paligemma, qwen_vl, smolvlm
from recap_assets_tests.captioning.pictures import CAPTIONS, images, small, walls


def blip(folder: Path) -> Path:
    save(small(), folder, {})
    return folder


BUILDERS: dict[str, Callable[[Path], Path]] = {
    "blip": blip,
    "florence2": florence2.save,
    "git": git.save,
    "llava": llava.save,
    "llava-next": partial(llava.save, after=True),
    "paligemma": paligemma.save,
    "paligemma2": partial(paligemma.save, second=True),
    "qwen2-vl": partial(qwen_vl.save, version="2"),
    "qwen2.5-vl": qwen_vl.save,
    "qwen3-vl": partial(qwen_vl.save, version="3"),
    "smolvlm": smolvlm.save,
}
HOW = {"method": "lora", "rank": 2, "alpha": 4.0, "steps": 4, "batch": 4, "lr": 2e-2}


@pytest.fixture(scope="module", params=BUILDERS)
def tuned(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Captioner, TuneResult, Path]:
    """A base, what tuning made of it, and the folder of its adapter beside that of the base."""
    folder = tmp_path_factory.mktemp(request.param)
    base = load(BUILDERS[request.param](folder / "base"))
    result = tune(base, human(), ["short"], Tune.model_validate(HOW))
    result.save(folder / "adapter")
    return base, result, folder


def loss(captioner: Captioner) -> float:
    with torch.inference_mode():
        shown = read(captioner, images(walls()))
        return captioner.family.loss(
            shown, range(4), ["short caption:"] * 4, CAPTIONS["short"]
        ).item()


def test_all_linear_layers_of_its_parts_but_the_head_are_adapted(
    tuned: tuple[Captioner, TuneResult, Path],
) -> None:
    """The head is the one layer that has an output for every word."""
    family = tuned[0].family
    words = family.model.get_input_embeddings().num_embeddings
    for part in PARTS:
        expected = {
            name
            for name, one in family.model.named_modules()
            if isinstance(one, torch.nn.Linear)
            and any(name.startswith(f"{module}.") for module in family.parts[part])
            and one.out_features != words
        }
        found = lora.targets(family, [part])
        assert len(found) == len(expected) > 4
        assert set(found) == expected


def test_it_learns_beside_a_base_that_stays(tuned: tuple[Captioner, TuneResult, Path]) -> None:
    base, result, _ = tuned
    assert result.losses[-1] < result.losses[0]
    before = base.family.model.state_dict()
    after = result.captioner.family.model.state_dict()
    assert not any("lora" in name for name in before)
    for name, value in after.items():
        if "lora_" not in name:
            assert torch.equal(value, before[name.replace(".base_layer", "")])
    for part in PARTS:  # LLaVA reads its encoder before the last layer, which so learns nothing
        names = [f"{name}.lora_B.default.weight" for name in lora.targets(base.family, [part])]
        assert sum(bool(after[name].any()) for name in names) >= len(names) / 2


def test_base_and_adapter_say_what_was_tuned(tuned: tuple[Captioner, TuneResult, Path]) -> None:
    base, result, folder = tuned
    again = load(folder / "base", base.settings, folder / "adapter")
    assert loss(again) == pytest.approx(loss(result.captioner), abs=1e-5)
    assert abs(loss(again) - loss(base)) > 1e-3


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_peft_alone_loads_it(tuned: tuple[Captioner, TuneResult, Path]) -> None:
    base, _, folder = tuned
    kind: Any = getattr(transformers, type(base.family.model).__name__)
    plain = kind.from_pretrained(folder / "base")
    merged = PeftModel.from_pretrained(plain, folder / "adapter").merge_and_unload()
    ours = load(folder / "base", base.settings, folder / "adapter").family.model.state_dict()
    theirs = merged.state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.allclose(theirs[name], ours[name], atol=1e-6) for name in ours)
