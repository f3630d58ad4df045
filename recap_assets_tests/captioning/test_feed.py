from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from recap_assets.captioning.feed import Feed, Read, ReadError
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.plain import NoSevens, Plain, Shrunk

READER = Shrunk()


def places(read: list[Read]) -> list[int]:
    values = [one[0]["pixel_values"][0, 0, 0] for one in read if not isinstance(one, ReadError)]
    return [int(red) + 256 * int(green) for red, green, _ in values]


@pytest.mark.parametrize("decoders", [0, 2])
def test_every_picture_is_read_in_order(decoders: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    feed = Feed([READER, READER], decoders, 32)
    read = list(feed(Plain(0, 300, log=log), 300))
    assert places(read) == list(range(300))
    assert all(len(one) == 2 for one in read if not isinstance(one, ReadError))
    lines = [line.split() for line in log.read_text(encoding="utf-8").splitlines()]
    assert sorted(int(place) for _, place in lines) == list(range(300))
    workers = {int(process) for process, _ in lines}
    assert workers == {os.getpid()} if decoders == 0 else os.getpid() not in workers


@pytest.mark.parametrize("decoders", [0, 2])
def test_errors_of_the_source_come_through_at_their_place(decoders: int) -> None:
    stream = Feed([READER], decoders, 16)(Plain(0, 60, missing=(41,)), 60)
    got: list[Read] = []
    with pytest.raises(UserError, match="^picture 41 is gone$"):
        got.extend(stream)
    # Pictures come in small pieces, of which the broken one is lost.
    assert places(got) == list(range(40))


@pytest.mark.parametrize("decoders", [0, 2])
def test_a_picture_that_a_reader_cannot_use_is_told_in_its_place(decoders: int) -> None:
    read = list(Feed([NoSevens()], decoders, 16)(Plain(0, 20), 20))
    errors = {i: str(one) for i, one in enumerate(read) if isinstance(one, ReadError)}
    assert errors == {7: "ValueError: a seven"}


def test_only_so_much_is_read_ahead(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stream = Feed([READER], 0, 24)(Plain(0, 400, log=log), 400)
    next(stream)
    time.sleep(0.5)
    assert len(log.read_text(encoding="utf-8").splitlines()) <= 40
    stream.close()  # type: ignore[attr-defined]


def test_an_empty_source() -> None:
    assert list(Feed([READER], 0, 24)(Plain(0, 0), 0)) == []


WAITS = """
import sys, time
from recap_assets.captioning.feed import Feed
from recap_assets_tests.captioning.plain import Plain, Shrunk
if __name__ == "__main__":
    for n, _ in enumerate(Feed([Shrunk()], 2, 16)(Plain(0, 400), 400)):
        if n == 20:
            print("ready", flush=True)
            time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_processes_do_not_outlive_theirs(tmp_path: Path) -> None:
    script = tmp_path / "waits.py"
    script.write_text(WAITS, encoding="utf-8")
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert parent.stdout is not None and parent.stdout.readline() == "ready\n"
    children = psutil.Process(parent.pid).children(recursive=True)
    assert len(children) >= 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    gone, alive = psutil.wait_procs(children, timeout=20)
    assert not alive and len(gone) == len(children)


def test_a_killed_process_is_told_and_the_next_run_has_others(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stream = Feed([READER], 2, 16)(Plain(0, 4000, log=log), 4000)
    next(stream)
    worker = int(log.read_text(encoding="utf-8").split()[0])
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(UserError, match="was killed, perhaps for want of memory; set .*decoders"):
        list(stream)
    assert places(list(Feed([READER], 2, 16)(Plain(0, 30), 30))) == list(range(30))


def test_a_process_that_was_killed_between_two_runs_is_replaced(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert len(list(Feed([READER], 2, 16)(Plain(0, 30, log=log), 30))) == 30
    worker = psutil.Process(int(log.read_text(encoding="utf-8").split()[0]))
    worker.kill()
    worker.wait(20)
    time.sleep(0.5)  # the pool hears of it in a thread
    assert places(list(Feed([READER], 2, 16)(Plain(0, 30), 30))) == list(range(30))
