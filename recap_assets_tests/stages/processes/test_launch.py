"""Several processes as one: what they find, how their mistakes are told, and that none is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from recap_assets.experiment.errors import UserError
from recap_assets.stages.processes.launch import launch
from recap_assets.stages.progress import listening
from recap_assets_tests.alive import alive, wait_until
from recap_assets_tests.small_project import heed_ctrl_c
from recap_assets_tests.stages.processes import ranks

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs process groups")

RANKS = ranks.__name__
ENDLESS = f"""
import sys
from recap_assets.stages.processes.launch import launch
launch({RANKS!r}, ["endless", sys.argv[1]], 2)
"""


def found(folder: Path) -> list[dict[str, str]]:
    """The environment of every rank, in their order."""
    paths = sorted(folder.glob("rank-*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def test_ranks_find_what_they_need_and_nothing_of_other_launches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "accelerate").mkdir()
    settings = "{distributed_type: 'NO', num_processes: 5, mixed_precision: fp16}"
    (tmp_path / "accelerate" / "default_config.yaml").write_text(settings, encoding="utf-8")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("PET_NPROC_PER_NODE", "3")
    monkeypatch.setenv("RANK", "7")
    monkeypatch.setenv("OMP_NUM_THREADS", "77")
    told: list[tuple[int, int, str]] = []
    with listening(lambda *one: told.append(one)):
        launch(RANKS, ["environment", str(tmp_path)], 2)
    ours = found(tmp_path)
    assert [(one["RANK"], one["WORLD_SIZE"]) for one in ours] == [("0", "2"), ("1", "2")]
    for one in ours:
        assert one["OMP_NUM_THREADS"] == str(max(1, len(os.sched_getaffinity(0)) // 2))
        assert one["ACCELERATE_MIXED_PRECISION"] == "no"
        assert "ACCELERATE_USE_FSDP" not in one
        assert one["HF_HOME"] == str(tmp_path)
        assert not Path(one["RECAP_LAUNCH"]).exists()
    # Rank 1 told nothing; of rank 0 the last word is never lost.
    assert told == [(1, 2, "half"), (2, 2, "whole")]


def test_two_launches_at_once_do_not_meet(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda folder: launch(RANKS, ["sum", str(folder)], 2), folders))
    for folder in folders:
        assert [path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())] == ["3", "3"]


def test_a_users_mistake_in_a_rank_is_told_in_its_own_words() -> None:
    with pytest.raises(UserError) as caught:
        launch(RANKS, ["mistaken"], 2)
    assert str(caught.value) == "t2i.lr: too low; raise it"


def test_a_rank_that_fails_is_told_with_what_it_printed() -> None:
    with pytest.raises(RuntimeError) as caught:
        launch(RANKS, ["broken"], 2)
    first, *others = str(caught.value).splitlines()
    assert first == "rank 1 of 2 processes: ZeroDivisionError: division by zero"
    assert any("print(1 / 0)" in line for line in others)
    assert "about to divide" in others


def test_a_rank_that_is_ended_while_it_tells_of_its_own_end_hides_no_other(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as caught:
        launch(RANKS, ["slow", str(tmp_path)], 2)
    first, *_ = str(caught.value).splitlines()
    assert first == "rank 1 of 2 processes: ZeroDivisionError: division by zero"


def test_a_rank_that_is_killed_ends_the_others_and_is_told() -> None:
    with pytest.raises(UserError, match=r"rank 1 of 2 processes was killed \(SIGKILL\)"):
        launch(RANKS, ["killed"], 2)


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(RuntimeError) as caught:
        launch("recap_assets_tests.no_such_module", [], 2)
    assert "accelerate launch ended with code 1" in str(caught.value)
    assert "no_such_module" in str(caught.value)


class Endless:
    """A process that launched endless work, as in a terminal of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, str(folder)],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=heed_ctrl_c,
        )
        wait_until(lambda: len(list(folder.glob("pid-*"))) == 2)
        self.others = psutil.Process(self.process.pid).children(recursive=True)
        assert len(self.others) == 3, self.others

    @property
    def agent(self) -> psutil.Process:
        return next(one for one in self.others if one.ppid() == self.process.pid)

    def ended(self) -> str:
        """What it said at its end, once every process of it is gone."""
        _, told = self.process.communicate(timeout=60)
        wait_until(lambda: not alive(self.others))
        return told

    def unwound(self) -> int:
        """How many ranks ended in good order."""
        return len(list(self.folder.glob("unwound-*")))


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[Endless]:
    started = Endless(tmp_path)
    yield started
    for one in alive(started.others):
        one.kill()
    started.process.kill()


def test_kill_9_of_the_parent_leaves_no_process(endless: Endless) -> None:
    endless.process.kill()
    endless.ended()
    assert endless.process.returncode == -signal.SIGKILL
    assert endless.unwound() == 0


def test_kill_9_of_the_agent_is_told_and_leaves_no_process(endless: Endless) -> None:
    endless.agent.kill()
    assert "UserError: accelerate launch was killed (SIGKILL)" in endless.ended()
    assert endless.process.returncode == 1


def test_ctrl_c_ends_everything_once_and_in_good_order(endless: Endless) -> None:
    # As a terminal does it: to every process of the foreground group.
    os.killpg(endless.process.pid, signal.SIGINT)
    told = endless.ended()
    assert told.count("Traceback") == 1 and told.splitlines()[-1] == "KeyboardInterrupt"
    assert endless.unwound() == 2


def test_a_second_ctrl_c_does_not_leave_a_process_either(endless: Endless) -> None:
    os.killpg(endless.process.pid, signal.SIGINT)
    time.sleep(0.02)
    os.killpg(endless.process.pid, signal.SIGINT)
    endless.ended()
