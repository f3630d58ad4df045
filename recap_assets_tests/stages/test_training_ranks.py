"""Arms that train in several processes, in Dagster and without it, against one process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from recap_assets.defs.execute import bring_up_to_date
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.project import Project
from recap_assets.stages import checkpoint
from recap_assets.stages.progress import listening
from recap_assets_tests.alive import alive, wait_until
from recap_assets_tests.small_project import change, copy, heed_ctrl_c, opened

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="needs process groups"),
]

ARMS = ("long-both-s0", "mix-both-s0")
RUN = "from recap_assets.cli import main; import sys; sys.argv = ['recap', 'run']; main()"


@pytest.fixture
def two(built: Project) -> Project:
    """A project that lacks the weights of `ARMS` and is to train in two processes."""
    for arm in ARMS:
        shutil.rmtree(built.root / "checkpoints" / arm)
    return change(built, "t2i.processes", 2)


def check_same(project: Project, other: Project, arm: str) -> None:
    """The arm has the losses and the weights in both projects, up to rounding."""
    found, expected = checkpoint.card(project, arm), checkpoint.card(other, arm)
    assert found["version"] == expected["version"]
    assert found["losses"] == pytest.approx(expected["losses"], abs=1e-5)
    assert (found["images"], found["dropped"]) == (expected["images"], expected["dropped"])
    for part in ("unet/diffusion_pytorch_model", "text_encoder/model"):
        ours, theirs = (
            load_file(one.checkpoint(arm, found["version"]) / f"{part}.safetensors")
            for one in (project, other)
        )
        for name, weight in theirs.items():
            torch.testing.assert_close(ours[name], weight, rtol=0, atol=2e-5)


def test_an_arm_is_the_same_and_arms_train_one_after_the_other(
    two: Project, first_run: Any
) -> None:
    with opened(two) as instance:
        outcome = bring_up_to_date(two, instance, [checkpoint.STAGE], workers=2)
        records = instance.get_run_records(limit=2)
        logged = [
            [entry.user_message for entry in instance.all_logs(record.dagster_run.run_id)]
            for record in records
        ]
    assert {(one.partition, one.computed, one.error) for one in outcome.ran} == {
        (arm, 2, None) for arm in ARMS
    }
    later, earlier = records
    assert earlier.end_time <= later.start_time
    for lines in logged:
        progress = [line for line in lines if line.startswith("training ")]
        assert [line.rpartition(": ")[2] for line in progress] == ["1 of 2", "2 of 2"]
    for arm in ARMS:
        check_same(two, first_run.project, arm)


def test_an_arm_is_the_same_without_dagster_and_with_a_frozen_text_encoder(
    two: Project, tmp_path: Path
) -> None:
    """Captions come round again, so that rank 0 encodes each once while the other waits."""
    two = change(change(two, "arms.long.train", "unet"), "t2i.steps", 8)
    one = change(copy(two, tmp_path / "one"), "t2i.processes", 1)
    told: list[tuple[int, int, str]] = []
    with listening(lambda *progress: told.append(progress)):
        product = checkpoint.build(two, "long-unet-s0")
    assert product.computed == 8
    assert told[0][2] == "encoding captions" and told[-1][:2] == (8, 8)
    assert checkpoint.build(one, "long-unet-s0").computed == 8
    check_same(two, one, "long-unet-s0")


def test_a_mistake_that_ranks_find_is_the_steps_error(two: Project) -> None:
    wrong = change(two, "t2i.lr", 1e30)
    with pytest.raises(UserError, match=r"^training step 1: the loss is \S+; lower t2i.lr"):
        checkpoint.build(wrong, ARMS[0])
    assert not list(wrong.root.rglob(".tmp-*"))


@contextmanager
def running(project: Project) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """`recap run` in a terminal of its own, and its processes once they train."""
    environment = os.environ | {
        "RECAP_CONFIG": str(project.file),
        "DAGSTER_HOME": str(project.dagster_home),
    }
    with subprocess.Popen(
        [sys.executable, "-c", RUN],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
    ) as process:
        try:
            wait_until(lambda: process.poll() is not None or _saves(project) != [], 250)
            assert process.poll() is None, process.communicate()[1]
            yield process, psutil.Process(process.pid).children(recursive=True)
        finally:
            process.kill()


def _saves(project: Project) -> list[Path]:
    """The complete ones."""
    return list((project.root / "training").rglob("[!.]*.safetensors"))


def test_ctrl_c_leaves_no_process_and_what_was_saved(two: Project) -> None:
    asked = change(change(two, "t2i.steps", 100_000), "t2i.save_every", 2)
    with running(asked) as (process, others):
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=200)
        wait_until(lambda: not alive(others), 30)
    assert process.returncode == 130, told[-2000:]
    assert told.strip().splitlines()[-1] == "recap: stopped; what was finished is kept"
    assert "Traceback" not in told
    assert len(others) >= 3
    assert not list(asked.root.rglob(".tmp-*"))
    assert len(_saves(asked)) == 1


def test_kill_9_leaves_no_process(two: Project) -> None:
    asked = change(change(two, "t2i.steps", 100_000), "t2i.save_every", 2)
    with running(asked) as (process, others):
        process.kill()
        process.communicate(timeout=200)
        wait_until(lambda: not alive(others), 30)
    assert len(others) >= 3
