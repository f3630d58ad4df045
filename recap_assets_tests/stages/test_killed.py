"""Runs that are killed without warning: what is on disk afterwards, and what the next run costs."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recap_assets.experiment.project import Project
from recap_assets.stages import captioner, gc, images, recaptions, recipes, status
from recap_assets.stages.memory import remembering
from recap_assets.stages.stage import Status
from recap_assets_tests.stages.test_histories import World

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="forks and kills by signal"),
]

SHARDS, PICTURES, BATCH = 40, 24, 4
#: `RECAP_KILLS=50` for the long version.
KILLS = int(os.environ.get("RECAP_KILLS", "8"))
STAGES = (images.STAGE, recaptions.STAGE)
#: Processes start from one that has torch imported and no threads yet.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["torch", "recap_assets.captioning.load", __name__])


def project_of(folder: Path, base_models: Path) -> Project:
    world = World(folder, base_models / "captioner")
    world.data = {
        f"{shard:03d}": {f"k{n}": 1 + shard * PICTURES + n for n in range(PICTURES)}
        for shard in range(SHARDS)
    }
    world.batch = BATCH
    return world.save()


def bring_up_to_date(project: Project) -> None:
    for stage in STAGES:
        for key in stage.keys(project):
            with remembering():
                if status.of(project, stage, key).state != "fresh":
                    stage.build(project, key)


def work(file: Path, log: Path, ready: Event) -> None:
    """Bring the project up to date; a byte goes to `log` for every picture that is encoded."""
    project = Project.open(file)
    model = captioner.loaded(project, "recap", captioner.wanted(project, "recap"))
    counted = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def count(module: Any, arguments: tuple[Any, ...]) -> None:
        os.write(counted, b"." * len(arguments[0]))

    model.family.model.vision_model.register_forward_pre_hook(count)
    ready.set()
    bring_up_to_date(project)


def run_and_kill(project: Project, log: Path, after: float | None) -> bool:
    """Let a process do the work, killed `after` seconds; whether it was still at it."""
    ready = CONTEXT.Event()
    process = CONTEXT.Process(target=work, args=(project.file, log, ready))
    process.start()
    assert ready.wait(100)
    if after is not None:
        time.sleep(after)
        process.kill()
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode != 0


def _shards(project: Project) -> list[Status]:
    with remembering():
        return [status.of(project, stage, key) for stage in STAGES for key in stage.keys(project)]


def visible(root: Path) -> list[Path]:
    """Every file that a reader would find."""
    return [
        path
        for path in root.rglob("*.parquet")
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]


def check_whole(project: Project) -> None:
    """No half file, and no picture twice in a shard's file or in the whole style."""
    found: Counter[tuple[str, str]] = Counter()
    for path in visible(project.root):
        rows = pl.read_parquet(path, hive_partitioning=False)
        if path.is_relative_to(project.captions):
            found.update(rows.select("style", "uid").iter_rows())
    assert not [key for key, times in found.items() if times > 1]


def test_killed_at_random_moments(base_models: Path, tmp_path: Path) -> None:
    project = project_of(tmp_path, base_models)
    log, rng, kills = tmp_path / "encoded", random.Random(0), 0
    while kills < KILLS and run_and_kill(project, log, rng.uniform(0.01, 0.4)):
        kills += 1
        check_whole(project)
    assert not run_and_kill(project, log, None)
    check_whole(project)
    every = SHARDS * PICTURES
    for style in ("alt", "a", "b"):
        its = recipes.recipe(project, style)
        frames = [recipes.store(project).read(its, f"{n:03d}") for n in range(SHARDS)]
        assert sum(frame.height for frame in frames if frame is not None) == every
    encoded = log.stat().st_size
    print(f"{kills} kills; {encoded - every} of {every} pictures encoded twice")
    assert every <= encoded <= every + kills * BATCH
    assert kills > 2
    # Killed between publishing a shard and forgetting its batches: they lie there until gc.
    gc.drop(gc.find(project))
    assert not visible(project.root / "pending")
    assert all(state.state == "fresh" for state in _shards(project))
