"""Processes that a Dagster step launches: what they tell is in the log of the run."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import dagster as dg
import psutil
import pytest

from recap_assets.defs.pipes import through_pipes
from recap_assets.stages.processes.launch import launch, launching_in
from recap_assets.stages.progress import listener, listening
from recap_assets_tests.alive import alive, wait_until
from recap_assets_tests.small_project import heed_ctrl_c
from recap_assets_tests.stages.processes import ranks

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="needs process groups"),
]

ENDLESS = """
import sys
from recap_assets_tests.defs.test_pipes import run
run("endless", sys.argv[1])
"""


def run(*words: str, instance: dg.DagsterInstance | None = None) -> dg.ExecuteInProcessResult:
    """A run whose one step launches two ranks."""

    @dg.asset
    def launched(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        with launching_in(partial(through_pipes, context, listener())):
            launch(ranks.__name__, words, 2)
        return dg.MaterializeResult()

    return dg.materialize([launched], instance=instance, raise_on_error=False)


def test_what_rank_0_tells_is_in_the_log_of_the_run_once(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    with dg.DagsterInstance.ephemeral() as instance, listening(lambda *one: told.append(one)):
        result = run("environment", str(tmp_path), instance=instance)
        logged = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert result.success
    assert [line for line in logged if line.startswith(("half", "whole"))] == [
        "half: 1 of 2",
        "whole: 2 of 2",
    ]
    assert not [line for line in logged if "did not receive" in line]
    assert told == [(1, 2, "half"), (2, 2, "whole")]


def test_ctrl_c_ends_the_run_and_every_rank_in_good_order(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
    ) as process:
        wait_until(lambda: len(list(tmp_path.glob("pid-*"))) == 2)
        others = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(100)
    assert len(others) == 3
    assert not alive(others)
    assert len(list(tmp_path.glob("unwound-*"))) == 2
