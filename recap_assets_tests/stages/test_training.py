"""Training an arm in a project: weights kept on the way, saves, and what may be changed later."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel

from recap_assets.diffusion.families.stable_diffusion import StableDiffusion
from recap_assets.diffusion.sample import sample
from recap_assets.diffusion.saves import State
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import folder_digest
from recap_assets.experiment.project import Project
from recap_assets.stages import (
    checkpoint,
    gc,
    manifest,
    metrics,
    plan,
    published,
    report,
    samples,
    status,
    t2i_base,
    table,
    training,
)
from recap_assets.stages.memory import remembering
from recap_assets.stages.progress import listening
from recap_assets_tests.conftest import Built
from recap_assets_tests.small_project import change, copy, files

pytestmark = pytest.mark.slow

ARM, CONTROL = "mix-both-s0", "alttext-both-s0"
CONTEXT = multiprocessing.get_context("forkserver")


def why(project: Project) -> dict[str, str]:
    with remembering():
        states = [status.of(project, checkpoint.STAGE, key) for key in checkpoint.keys(project)]
    return {str(one.partition): one.reason for one in states if one.state != "fresh"}


def bring_up_to_date(project: Project) -> dict[str, int]:
    """Checkpoints, samples, metrics, table and page; what was computed of each partition."""
    found = {}
    for stage in (checkpoint.STAGE, samples.STAGE, metrics.STAGE, table.STAGE, report.STAGE):
        for key in stage.keys(project):
            with remembering():
                product = stage.build(project, key)
            if product.computed:
                found[f"{stage.name}[{key}]"] = product.computed
    return found


def garbage(project: Project) -> dict[str, str]:
    return {str(one.path.relative_to(project.root)): one.reason for one in gc.find(project)}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("accumulate", 2),
        ("gradient_checkpointing", True),
        ("compile", True),
        ("save_every", 1),
        ("processes", 2),
        ("rank", 2),
    ],
)
def test_how_a_training_is_run_makes_no_other_checkpoint(
    built: Project, setting: str, value: object
) -> None:
    assert why(change(built, f"t2i.{setting}", value)) == {}


def test_weights_on_the_way(built: Project) -> None:
    arms = list(built.arm_keys())
    before = {arm: files(built.checkpoint(arm, checkpoint.wanted(built, arm))) for arm in arms}
    asked = change(built, "t2i.checkpoints", [1, 2])
    told = "step 1 of t2i.checkpoints is not kept: 1 steps are trained again for it"
    assert why(asked) == dict.fromkeys(arms, told)
    assert plan.forecast(asked).arms_to_train == dict.fromkeys(arms, told)

    computed = bring_up_to_date(asked)
    rows = [f"{arm}-step1" for arm in arms]
    assert computed == {
        **{f"t2i_checkpoint[{arm}]": 1 for arm in arms},
        **{f"samples[{row}]": 12 for row in rows},
        **{f"metrics[{row}]": 12 for row in rows},
        "metric_table[None]": table.stored(asked)[0].height,
        "report[None]": 1,
    }
    assert why(asked) == {} and bring_up_to_date(asked) == {}
    # The arms' own weights, and what was measured of them, are as they were.
    assert before == {
        arm: files(asked.checkpoint(arm, checkpoint.wanted(asked, arm))) for arm in arms
    }
    _check_checkpoints(asked, arms)
    _check_tables(asked, arms)
    assert garbage(asked) == {}
    dropped = garbage(change(asked, "t2i.checkpoints", []))
    assert {Path(name).parent.name for name in dropped} == set(rows)
    assert len(dropped) == 3 * len(rows)


def _check_checkpoints(project: Project, arms: list[str]) -> None:
    for arm in arms:
        version = checkpoint.wanted(project, arm)
        kept = project.checkpoint(f"{arm}-step1", version)
        pipeline = StableDiffusionPipeline.from_pretrained(kept, safety_checker=None)
        assert pipeline.unet.config.sample_size == 8
        last = project.checkpoint(arm, version)
        assert folder_digest(kept / "unet") != folder_digest(last / "unet")
        card, whole = published.read(kept), published.read(last)
        assert card is not None and whole is not None
        assert (card["arm"], card["step"], whole["step"]) == (arm, 1, 2)
        assert card["losses"] == whole["losses"][:1]
        assert f"# {arm} after 1 of 2 steps" in (kept / "README.md").read_text(encoding="utf-8")
    rows = pl.concat([pl.read_parquet(p) for p in project.root.glob("checkpoints/*/*/row.parquet")])
    found = rows.select("arm", "steps").sort("arm", "steps").rows()
    assert found == [(arm, step) for arm in sorted(arms) for step in (1, 2)]


def _check_tables(project: Project, arms: list[str]) -> None:
    measured, deltas = table.stored(project)
    found = measured.filter(metric="fid").select("arm", "step").rows()
    assert found == [
        ("real", None),
        ("base", None),
        *((arm, step) for arm in arms for step in (2, 1)),
    ]
    assert set(deltas.filter(arm=ARM)["step"]) == {1, 2}
    fid = {(arm, step): v for arm, step, v in _fid(measured)}
    for arm, step, delta in deltas.filter(metric="fid")["arm", "step", "delta"].iter_rows():
        assert delta == pytest.approx(fid[arm, step] - fid[CONTROL, step or 2])
    drawn = samples.frame(project, f"{ARM}-step1")
    assert set(drawn.select("arm", "step").rows()) == {(ARM, 1)}
    page = report.page(project).read_text(encoding="utf-8")
    assert 'aria-label="FID by training steps"' in page
    assert f'alt="{ARM} drew: ' in page and f'alt="{ARM}-step1 drew: ' not in page
    for weights, its in project.weights().items():
        folder = project.checkpoint(weights, checkpoint.wanted(project, its.arm))
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert f"| fid | {fid[its.arm, its.step]:.4f} | " in card


def _fid(measured: pl.DataFrame) -> Iterator[tuple[str, int | None, float]]:
    return measured.filter(metric="fid").select("arm", "step", "value").iter_rows()


def train_and_wait(file: Path, arm: str, steps: int, here: Event, threads: int) -> None:
    """Train the arm, and wait to be killed before its last weights are published.

    Sums of other numbers of threads are rounded otherwise.
    """
    torch.set_num_threads(threads)

    def wait(done: int, total: int, what: str) -> None:
        if done == steps:
            here.set()
            time.sleep(600)

    with listening(wait), remembering():
        checkpoint.build(Project.open(file), arm)


def kill(project: Project, arm: str, steps: int) -> None:
    here = CONTEXT.Event()
    process = CONTEXT.Process(
        target=train_and_wait, args=(project.file, arm, steps, here, torch.get_num_threads())
    )
    process.start()
    assert here.wait(200)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def trained(project: Project, arm: str) -> dict[str, bytes]:
    """The weights of the arm as it is now, by file."""
    folder = project.checkpoint(arm, checkpoint.wanted(project, arm))
    return {name: data for name, data in files(folder).items() if name.endswith(".safetensors")}


def test_a_killed_training_goes_on(built: Project, first_run: Built, tmp_path: Path) -> None:
    whole = change(built, "t2i.steps", 4)
    version = checkpoint.wanted(whole, ARM)
    assert checkpoint.build(whole, ARM).computed == 4

    project = change(copy(first_run.project, tmp_path / "other"), "t2i.steps", 4)
    project = change(project, "t2i.save_every", 2)
    assert checkpoint.wanted(project, ARM) == version
    kill(project, ARM, 4)
    assert training.saves(project, ARM, version).step() == 2
    assert not checkpoint.made(project, ARM, version)
    assert why(project)[ARM] == "its training is not finished: it goes on from step 2"
    assert garbage(project).keys() & {f"training/{ARM}/{version[:12]}.safetensors"} == set()
    # Weights from before the save take a run of their own.
    project = change(project, "t2i.checkpoints", [1, 3])
    assert training.ahead(project, ARM, version) == 2 + 1
    assert checkpoint.build(project, ARM).computed == 3
    assert trained(project, ARM) == trained(whole, ARM)
    one, other = (checkpoint.card(told, ARM) for told in (whole, project))
    assert (one["losses"], one["dropped"]) == (other["losses"], other["dropped"])
    steps = [checkpoint.card(project, f"{ARM}-step{step}")["losses"] for step in (1, 3)]
    assert steps == [one["losses"][:1], one["losses"][:3]]
    assert not (project.root / "training").exists() or not files(project.root / "training")


def test_saves_that_nobody_goes_on_with_are_garbage(built: Project) -> None:
    version = checkpoint.wanted(built, ARM)
    state = State(1, {"weight.x": torch.zeros(1)}, [0.5])
    for key, its in ((ARM, version), (ARM, "f" * 64), ("gone-both-s0", version)):
        training.saves(built, key, its).write(state)
    assert garbage(built) == {
        f"training/{ARM}/{version[:12]}.safetensors": f"a training of {ARM}, which is finished",
        f"training/{ARM}/{'f' * 12}.safetensors": (
            f"a training of {ARM} with other captions or settings"
        ),
        f"training/gone-both-s0/{version[:12]}.safetensors": (
            "recap.yaml has no arm 'gone-both-s0'"
        ),
    }
    gc.drop(gc.find(built))
    assert garbage(built) == {} and not (built.root / "training" / "gone-both-s0").exists()


@contextmanager
def before_each(network: type[torch.nn.Module], do: Callable[[Any], object]) -> Iterator[None]:
    """Within the block `do` is called with the input of every pass of networks of that class."""

    def hook(module: torch.nn.Module, args: tuple[Any, ...]) -> None:
        if isinstance(module, network):
            do(args[0])

    handle = torch.nn.modules.module.register_module_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def test_frozen_text_encoders_read_each_caption_once(built: Project) -> None:
    """Three epochs of an arm that trains the denoiser alone, and another seed of it."""
    longer = change(change(built, "t2i.steps", 12), "t2i.prompt_dropout", 0.5)
    project = change(longer, "arms.only", {"mix": {"alt": 1}, "train": "unet", "seeds": [0, 1]})
    read: list[int] = []
    with before_each(CLIPTextModel, lambda ids: read.append(len(ids))):
        assert checkpoint.build(project, "only-unet-s0").computed == 12
        captions = set(manifest.frame(project, "alt")["caption"])
        assert sum(read) == len(captions) + 1
        checkpoint.build(project, "only-unet-s1")
        assert sum(read) == len(captions) + 1
    assert len(list((project.root / "texts").rglob("*.safetensors"))) == 2
    assert not [name for name in garbage(project) if name.startswith("texts/")]
    half = change(project, "t2i.precision", "bf16")
    assert [name for name in garbage(half) if name.startswith("texts/")]


def test_too_little_memory_leaves_everything_as_it_was(built: Project) -> None:
    project = change(built, "t2i.seed", 1)
    before = files(project.root / "checkpoints")
    told = r"^training: the memory is too small .*; set t2i\.accumulate"
    with (
        before_each(UNet2DConditionModel, lambda latents: torch.empty(2**52)),
        pytest.raises(UserError, match=told),
    ):
        checkpoint.build(project, ARM)
    assert files(project.root / "checkpoints") == before
    assert not list(project.root.rglob(".tmp-*"))


@pytest.mark.parametrize("train", ["transformer", ["transformer", "text_encoder"]])
def test_weights_that_the_model_lacks_are_told_with_those_it_has(
    built: Project, train: object
) -> None:
    project = change(built, "arms.mix", {"mix": {"alt": 1}, "train": train})
    (arm,) = (key for key in project.arm_keys() if key.startswith("mix-"))
    with pytest.raises(UserError, match="'transformer' .*it has unet and text_encoder"):
        checkpoint.build(project, arm)


def test_an_arm_by_lora(built: Project) -> None:
    """The file loads into the base model with plain diffusers, and draws what the samples show."""
    before = folder_digest(t2i_base.reference(built))
    told = {"method": "lora", "rank": 2, "steps": 3, "checkpoints": [1], "lr": 0.05, "ema": 0.5}
    project = change(built, "t2i", {"model": built.config.t2i.model, "batch": 4} | told)
    with remembering():
        assert checkpoint.build(project, ARM).computed == 3
        samples.build(project, ARM)
    version = checkpoint.wanted(project, ARM)
    folder = project.checkpoint(ARM, version)
    names = {"README.md", "recap.json", "row.parquet", "pytorch_lora_weights.safetensors"}
    assert {path.name for path in folder.iterdir()} == names
    kept = project.checkpoint(f"{ARM}-step1", version)
    assert {path.name for path in kept.iterdir()} == names
    assert folder_digest(t2i_base.reference(built)) == before

    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "tags: [lora]" in card and 'pipeline.load_lora_weights("<this folder>")' in card
    assert "| method | lora, rank 2, alpha 16 |" in card
    base = StableDiffusionPipeline.from_pretrained(
        t2i_base.reference(project), safety_checker=None, dtype=torch.float32
    )
    base.set_progress_bar_config(disable=True)
    base.load_lora_weights(folder)
    asked = [("p", "two red circles", 0)]
    drawn, expected, untrained = (
        next(sample(family, asked, 2, 4.0, 1, 0))
        for family in (
            StableDiffusion(base),
            published.family(project, ARM, version),
            t2i_base.family(project),
        )
    )
    assert np.array_equal(drawn, expected) and not np.array_equal(drawn, untrained)
