"""Several processes share the partitions of an asset."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pytest
from numpy.testing import assert_allclose
from safetensors.numpy import load_file

from recap_assets.defs.execute import Outcome, bring_up_to_date
from recap_assets.defs.workers import Workers
from recap_assets.experiment.project import Project
from recap_assets.stages import graph
from recap_assets_tests import small_project
from recap_assets_tests.conftest import Built
from recap_assets_tests.small_project import CAPTIONS, opened, ran

pytestmark = pytest.mark.slow


def side_by_side(project: Project, names: str) -> Outcome:
    with opened(project) as instance:
        return bring_up_to_date(project, instance, graph.select(names), workers=2)


def captions(project: Project) -> list[tuple[str, ...]]:
    """Every caption with its picture and style."""
    rows = pl.read_parquet(project.captions / "**" / "*.parquet")
    return sorted(rows.select("uid", "style", "caption").rows())


def encoded(project: Project) -> np.ndarray:
    """The latents of every shard."""
    files = sorted((project.root / "latents").rglob("*.safetensors"))
    return np.concatenate([load_file(file)["latents"] for file in files])


def test_two_processes_make_what_one_makes(project: Project, first_run: Built) -> None:
    outcome = side_by_side(project, f"{CAPTIONS},latents")
    alone = ran(first_run.outcome)
    assert ran(outcome) == {asset: alone[asset] for asset in ran(outcome)}
    assert {"images", "recaptions", "latents"} <= set(ran(outcome))
    assert captions(project) == captions(first_run.project)
    assert_allclose(encoded(project), encoded(first_run.project), atol=1e-4)
    with opened(project) as instance:
        assert instance.get_runs_count() == len(outcome.ran)
        assert set(instance.get_materialized_partitions(_key("recaptions"))) == {"00000", "00001"}
    assert not side_by_side(project, f"{CAPTIONS},latents").ran


def test_no_worker_waits_for_another(project: Project) -> None:
    """Each would else hold the one place in the pool of the GPU, which the others want."""
    side_by_side(project, CAPTIONS)
    with opened(project) as instance:
        told = [
            entry.message or entry.user_message
            for run in instance.get_runs()
            for entry in instance.all_logs(run.run_id)
        ]
    assert told
    assert not [line for line in told if "pool" in line]


def test_a_failure_in_a_worker_is_told_and_stops_no_other(project: Project) -> None:
    small_project.drawn(project)
    small_project.tar(project, "00001").write_bytes(b"no tar")
    outcome = side_by_side(project, "images")
    assert {one.partition: bool(one.error) for one in outcome.ran} == {
        "00000": False,
        "00001": True,
    }
    (failed,) = outcome.failed
    assert "00001.tar" in (failed.error or "")
    assert "\n" not in (failed.error or "")


def test_a_worker_that_is_killed_is_told_and_others_take_its_place(project: Project) -> None:
    small_project.drawn(project)
    stage, keys = graph.STAGES["images"], ["00000", "00001"]
    with opened(project) as instance:
        side_by_side(project, "human_captions")
        instance.add_dynamic_partitions("shard", keys)
        workers = Workers(project, 2)
        try:
            assert not [one.error for one in workers.run(stage, keys) if one.error]
            for child in psutil.Process().children(recursive=True):
                if "spawn_main" in " ".join(child.cmdline()):
                    child.kill()
            killed = list(workers.run(stage, keys))
            again = list(workers.run(stage, keys))
        finally:
            workers.close()
    assert all("--workers 1" in (one.error or "") for one in killed)
    assert [one.error for one in again] == [None, None]


RUN = """
import sys
from recap_assets.cli import main
if __name__ == "__main__":
    sys.argv = ["recap", "run", "--workers", "2", "--select", "images,latents"]
    main()
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_command(
    project: Project, tmp_path: Path, how: signal.Signals
) -> None:
    small_project.drawn(project)
    script = tmp_path / "run.py"
    script.write_text(RUN, encoding="utf-8")
    environment = os.environ | {
        "RECAP_CONFIG": str(project.file),
        "DAGSTER_HOME": str(project.dagster_home),
    }
    with subprocess.Popen(
        [sys.executable, str(script)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=small_project.heed_ctrl_c,
    ) as process:
        children: list[psutil.Process] = []
        _wait(lambda: project.image_index("00001").exists())
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        process.send_signal(how)
        _, told = process.communicate(timeout=100)
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert not alive, alive
    assert "Traceback" not in told
    assert process.returncode == (130 if how is signal.SIGINT else -how)


def _wait(true: object) -> None:
    assert callable(true)
    deadline = time.monotonic() + 200
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _key(asset: str) -> object:
    import dagster as dg

    return dg.AssetKey(asset)
