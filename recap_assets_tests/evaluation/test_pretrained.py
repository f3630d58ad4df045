from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recap_assets.evaluation.detect import Detector
from recap_assets.evaluation.features import Extractor
from recap_assets.evaluation.pretrained import weights_digest
from recap_assets.experiment.errors import UserError


def copied(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    return target


def edited_weights(folder: Path, name: str | None) -> None:
    """Nudge one weight of a saved model, or with None remove the class head."""
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    weights = load_file(file)
    if name is None:
        weights = {k: v for k, v in weights.items() if "class_labels" not in k}
    else:
        weights[name].view(-1)[0] += 1e-3
    save_file(weights, file, metadata={"format": "pt"})


def test_the_digest_follows_the_weights_and_not_the_place(
    detector_folder: Path, tmp_path: Path
) -> None:
    here = Detector.load(detector_folder).digest
    there = copied(detector_folder, tmp_path / "copy")
    assert Detector.load(there).digest == here
    edited_weights(there, "class_labels_classifier.layers.0.bias")
    assert Detector.load(there).digest != here


def test_an_extractors_digest_ignores_the_head_and_random_weights(
    detector_folder: Path, tmp_path: Path
) -> None:
    first, second = Extractor.load(detector_folder), Extractor.load(detector_folder)
    assert first.digest == second.digest, "a randomly made pooling layer must not count"
    headless = copied(detector_folder, tmp_path / "copy")
    edited_weights(headless, "class_labels_classifier.layers.0.bias")
    assert Extractor.load(headless).digest == first.digest
    edited_weights(headless, "vit.embeddings.cls_token")
    assert Extractor.load(headless).digest != first.digest


def test_files_without_the_needed_weights_are_refused(
    detector_folder: Path, tmp_path: Path
) -> None:
    headless = copied(detector_folder, tmp_path / "copy")
    edited_weights(headless, None)
    with pytest.raises(UserError, match="class_labels_classifier"):
        Detector.load(headless)


@pytest.mark.parametrize("broken", ["config", "weights", "processor", "pickle", "kind"])
def test_broken_folders_are_one_line_user_errors(
    detector_folder: Path, tmp_path: Path, broken: str
) -> None:
    folder = copied(detector_folder, tmp_path / "copy")
    if broken == "config":
        (folder / "config.json").unlink()
    elif broken == "weights":
        (folder / "model.safetensors").write_bytes(b"not safetensors")
    elif broken == "processor":
        (folder / "preprocessor_config.json").unlink()
    elif broken == "pickle":
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    else:
        (folder / "config.json").write_text(json.dumps({"model_type": "gpt2"}), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        Detector.load(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_digest_sees_names_types_and_shapes() -> None:
    import torch

    class Bag(torch.nn.Module):
        def __init__(self, **tensors: torch.Tensor) -> None:
            super().__init__()
            for name, tensor in tensors.items():
                self.register_buffer(name, tensor)

    zeros = torch.zeros(2, 3)
    bags = [
        Bag(a=zeros),
        Bag(b=zeros),
        Bag(a=zeros.reshape(3, 2)),
        Bag(a=zeros.to(torch.int32)),
        Bag(a=zeros.to(torch.bfloat16)),
        Bag(a=zeros, b=torch.tensor(1.0)),
    ]
    assert len({weights_digest(bag) for bag in bags}) == len(bags)
    assert weights_digest(bags[-1], without={"b"}) == weights_digest(bags[0])


def test_the_room_imports_nothing_heavy() -> None:
    modules = "audit, bootstrap, detect, features, frechet, pretrained, scores, skew, table"
    code = (
        f"import sys; from recap_assets.evaluation import {modules}; "
        "print({'torch', 'transformers', 'sklearn', 'diffusers', 'scipy'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"
