"""The presets end to end on a CPU, with tiny random models of the classes that they name.

No preset names Stable Diffusion 3: it takes the place of another model in one of them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import yaml
from PIL import Image
from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.load import load
from recap_assets.diffusion.save import save
from recap_assets.experiment.project import Project
from recap_assets.stages import checkpoint
from recap_assets_tests import small_project
from recap_assets_tests.captioning.models import paligemma, qwen_vl, smolvlm
from recap_assets_tests.diffusion.models import sd3, sdxl, stable_diffusion

pytestmark = pytest.mark.slow

#: So many tokens end a caption that those drawn by random weights are of all lengths.
ENDS = range(10, 380, 4)

#: Preset, what writes its captioner and builds its text-to-image model, and what else is small.
Case = tuple[str, Callable[[Path], Path], Callable[[], Family], dict[str, Any]]

CASES: dict[str, Case] = {
    "sd14": (
        "sd14",
        partial(paligemma.save, second=True, ends=ENDS),
        partial(stable_diffusion.build, "epsilon"),
        {"warmup": 1, "accumulate": 2, "over_limit": "truncate"},
    ),
    "sdxl-lora": (
        "sdxl-lora",
        partial(qwen_vl.save, ends=ENDS),
        sdxl.build,
        {"warmup": 1, "accumulate": 2, "checkpoints": [1]},
    ),
    "photo-album": (
        "photo-album",
        partial(smolvlm.save, ends=ENDS),
        partial(stable_diffusion.build, "epsilon"),
        {},
    ),
    "sd3 without T5, full": (
        "photo-album",
        partial(smolvlm.save, ends=ENDS),
        partial(sd3.build, t5=False),
        {"method": "full", "checkpoints": [1], "ema": 0.5, "save_every": 1},
    ),
    "sd3, lora": (
        "sdxl-lora",
        partial(qwen_vl.save, ends=ENDS),
        sd3.build,
        {"warmup": 1, "checkpoints": []},
    ),
}


@pytest.fixture
def world(base_models: Path, tmp_path: Path) -> Path:
    """Tars of drawn scenes with alt-text, people's captions and prompts."""
    drawn = small_project.drawn(small_project.write(tmp_path / "drawn", base_models))
    return drawn.root / "world"


def extractor(folder: Path) -> str:
    torch.manual_seed(0)
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    Dinov2Model(Dinov2Config(image_size=14, patch_size=7, **size)).save_pretrained(folder)
    crop = {"height": 14, "width": 14}
    BitImageProcessor(size={"shortest_edge": 14}, crop_size=crop).save_pretrained(folder)
    return str(folder)


def album(world: Path, folder: Path) -> Path:
    """The pictures of the tars as files without a word beside them."""
    folder.mkdir()
    for shard in ("00000", "00001"):
        shutil.unpack_archive(world / f"{shard}.tar", folder / shard, "tar")
    for file in [*folder.rglob("*.txt"), *folder.rglob("*.json")]:
        file.unlink()
    return folder


def opened(name: str, world: Path, folder: Path) -> Project:
    """A project that extends the preset, over small pictures, models and numbers."""
    preset, captioner, t2i, small = CASES[name]
    folder.mkdir()
    family = t2i()
    save(family, folder / "t2i")
    tars = {"urls": str(world / "0*.tar")}
    own = (
        {"urls": str(album(world, folder / "album")), "buckets": 2}
        if preset == "photo-album"
        else tars
    )
    tune = {"steps": 2, "batch": 2, "checkpoints": []}
    project = {
        "extends": preset,
        "root": "store",
        "dataset": own,
        "captioners": {"recap": {"model": str(captioner(folder / "captioner")), "batch": 8}},
        "t2i": {"model": str(folder / "t2i"), "resolution": 16, "steps": 2, "batch": 8, **small},
        "styles": {style: {"max_tokens": 16, "temperature": 1.0} for style in ("short", "long")},
        "evaluation": {
            "prompts": str(world / "prompts.jsonl"),
            "extractor": extractor(folder / "extractor"),
            "sampler_steps": 2,
            "bootstrap": 50,
        },
        "gates": {"caption_error_rate": 1.0, "decode_error_rate": 0.3},
    }
    if family.denoiser != "unet":
        arms = ("short", "long", "mix", *(["alttext"] if preset != "photo-album" else []))
        project["arms"] = dict.fromkeys(arms, {"train": family.denoiser})
    if preset != "photo-album":
        project["human"] = {"urls": str(world / "human.tar")}
        project["captioners"]["recap"]["tune"] = tune
    (folder / "recap.yaml").write_text(yaml.safe_dump(project), encoding="utf-8")
    return Project.open(folder)


@pytest.mark.parametrize("name", CASES)
def test_a_preset_runs_from_pictures_to_the_report(name: str, world: Path, tmp_path: Path) -> None:
    project = opened(name, world, tmp_path / "project")
    outcome = small_project.run(project)
    assert [one for one in outcome.ran if one.error] == []
    assert outcome.waiting == []
    assert (project.report / "index.html").is_file()
    assert {"base", *project.arm_keys()} <= set(
        pl.read_parquet(project.tables / "metrics.parquet")["arm"]
    )
    assert small_project.run(project).ran == []
    for key in project.arm_keys():
        assert_loads_elsewhere(project, key)


def assert_loads_elsewhere(project: Project, key: str) -> None:
    """By the lines on its card the arm draws in plain diffusers, and otherwise than its base."""
    folder = project.checkpoint(key, checkpoint.wanted(project, key))
    base = project.model(project.config.t2i.model)
    card = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    lines = "\n".join(line.strip() for line in card if line.startswith("    "))
    told: dict[str, Any] = {}
    exec(lines.replace("<this folder>", str(folder)).replace("<the base model>", str(base)), told)
    assert drawn(told["pipeline"]).tobytes() != drawn(load(base).pipeline).tobytes()


def drawn(pipeline: Any) -> Image.Image:
    pipeline.set_progress_bar_config(disable=True)
    asked = {"num_inference_steps": 2, "height": 16, "width": 16}
    seed = torch.Generator().manual_seed(0)
    return pipeline("a red circle", generator=seed, **asked).images[0]
