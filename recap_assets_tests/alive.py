"""Whether processes are gone, where nobody may reap them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import psutil


def alive(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Those that still do something."""
    return [one for one in processes if _works(one)]


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Look again and again, and fail when it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _works(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
