"""The processes that decode pictures: started once, kept while this one lives, never longer."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from recap_assets.experiment.errors import UserError

_pools: dict[int, ProcessPoolExecutor] = {}


@contextmanager
def executor(processes: int) -> Iterator[Executor]:
    """Where work is sent: so many processes, or for 0 a thread that ends with the block.

    Raises:
        UserError: if one of the processes was killed; the next block starts others.
    """
    if not processes:
        with ThreadPoolExecutor(1, "recap-decode") as thread:
            yield thread
        return
    try:
        yield _pool(processes)
    except BrokenProcessPool as error:
        del _pools[processes]
        raise UserError(
            "a process that decodes pictures was killed, perhaps for want of memory; "
            "set the captioner's `decoders` to a smaller number, 0 needs the least"
        ) from error


def _pool(processes: int) -> ProcessPoolExecutor:
    """The processes of earlier blocks; others where one of them was killed with nothing to do."""
    pool = _pools.get(processes)
    if pool is None or _is_broken(pool):
        spawn = multiprocessing.get_context("spawn")
        pool = _pools[processes] = ProcessPoolExecutor(processes, spawn, _start)
    return pool


def _is_broken(pool: ProcessPoolExecutor) -> bool:
    """A pool only tells when it is given something; the least will do, and nobody waits for it."""
    try:
        pool.submit(int)
    except BrokenProcessPool:
        return True
    return False


def _start() -> None:
    """Make a process ready: one thread, deaf to Ctrl-C, and it ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Read by torch where an image processor imports it.
    os.environ["OMP_NUM_THREADS"] = "1"
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)
