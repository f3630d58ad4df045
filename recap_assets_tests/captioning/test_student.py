from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.load import load
from recap_assets.captioning.read import read
from recap_assets.captioning.save import save
from recap_assets.captioning.student import Student
from recap_assets.captioning.train import train
from recap_assets.experiment.captioner_settings import Captioner as Settings
from recap_assets.experiment.captioner_settings import Tune
from recap_assets_tests.captioning.pictures import CAPTIONS, PREFIXES, images, small, walls

SHORT = (read(small(), images(walls())), range(4), [PREFIXES["short"]] * 4, CAPTIONS["short"])
METHODS = ("full", "lora")


def in_precision(precision: str) -> Captioner:
    base = small()
    base.settings = Settings.model_validate({"model": "tiny", "precision": precision})
    base.family.model.to(getattr(torch, precision))
    return base


def kinds(captioner: Captioner) -> set[torch.dtype]:
    own = captioner.family.model.named_parameters()
    return {weight.dtype for name, weight in own if "lora_" not in name}


def learn(student: Student, steps: int = 3, lr: float = 1e-3) -> list[float]:
    return train(
        student.captioner,
        [SHORT] * steps,
        lr=lr,
        steps=steps,
        modules=student.modules,
        arithmetic=student.arithmetic,
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_base_stays_as_it_is(method: str) -> None:
    base = small()
    before = copy.deepcopy(base.family.model.state_dict())
    student = Student.of(base, Tune.model_validate({"method": method}))
    learn(student)
    after = base.family.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert any(weight.grad is not None for weight in student.weights)


@pytest.mark.parametrize("method", METHODS)
def test_a_snapshot_brings_weights_back(method: str) -> None:
    student = Student.of(small(), Tune.model_validate({"method": method, "rank": 2}))
    learn(student)
    before = copy.deepcopy(student.captioner.family.model.state_dict())
    kept = student.snapshot()
    learn(student)
    assert not all(
        torch.equal(value, before[name])
        for name, value in student.captioner.family.model.state_dict().items()
    )
    student.restore(kept)
    for name, value in student.captioner.family.model.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    ("method", "precision", "learnt_in"),
    [
        ("full", "bfloat16", torch.float32),
        ("full", "float16", torch.float32),
        ("lora", "bfloat16", torch.bfloat16),
        ("lora", "float16", torch.float32),
    ],
)
def test_weights_of_16_bits_learn_in_32_and_are_used_in_16(
    method: str, precision: str, learnt_in: torch.dtype
) -> None:
    base = in_precision(precision)
    student = Student.of(base, Tune.model_validate({"method": method, "rank": 2}))
    assert kinds(student.captioner) == {learnt_in}
    assert {weight.dtype for weight in student.weights} == {torch.float32}
    learn(student, lr=1e-5)
    own = student.snapshot()
    with student.ready() as captioner:
        assert kinds(captioner) == kinds(base)
        assert not any(module.training for module in captioner.family.model.modules())
    assert all(torch.equal(a, b) for a, b in zip(own, student.weights, strict=True))
    # Steps so small that 16 bits would lose them.
    learn(student, lr=1e-6)
    assert not any(torch.equal(a, b) for a, b in zip(own, student.weights, strict=True) if a.any())
    student.finish()
    assert kinds(student.captioner) == kinds(base)


def test_bfloat16_over_float32_weights_is_autocast() -> None:
    exact, rounded = small(), in_precision("bfloat16")
    exact.family.model.load_state_dict(rounded.family.model.state_dict())
    expected = learn(Student.of(exact, Tune()))
    got = learn(Student.of(rounded, Tune()))
    assert got != expected
    assert got == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_saved_is_what_is_ready(method: str, tmp_path: Path) -> None:
    base = in_precision("bfloat16")
    save(base, tmp_path / "base", {})
    student = Student.of(base, Tune.model_validate({"method": method, "rank": 2}))
    learn(student)
    (tmp_path / "tuned").mkdir()
    student.save(tmp_path / "tuned")
    place, adapter = (tmp_path / "tuned"), None
    if method == "lora":
        place, adapter = tmp_path / "base", tmp_path / "tuned"
        stored = load_file(adapter / "adapter_model.safetensors")
        assert {value.dtype for value in stored.values()} == {torch.float32}
    loaded = load(place, base.settings, adapter)
    with student.ready() as captioner, torch.inference_mode():
        assert kinds(loaded) == kinds(captioner)
        assert loaded.family.loss(*SHORT).item() == pytest.approx(
            captioner.family.loss(*SHORT).item(), rel=0.02
        )
