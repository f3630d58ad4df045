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
    if processes not in _pools:
        spawn = multiprocessing.get_context("spawn")
        _pools[processes] = ProcessPoolExecutor(processes, spawn, _start)
    try:
        yield _pools[processes]
    except BrokenProcessPool as error:
        del _pools[processes]
        raise UserError(
            "a process that decodes pictures was killed, perhaps for want of memory; "
            "set the captioner's `decoders` to a smaller number, 0 needs the least"
        ) from error


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
