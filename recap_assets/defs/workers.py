"""Worker processes that build partitions of a stage side by side and keep their models loaded.

Small models leave most of a second core idle, so two processes of one thread do nearly twice the
work of one process of two threads. A GPU is filled by one process.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any

from recap_assets.captions.plan import Refresh
from recap_assets.defs.one_run import Ran
from recap_assets.experiment.cores import cores
from recap_assets.experiment.project import VARIABLE, Project
from recap_assets.stages import failures, refresh
from recap_assets.stages.progress import Listener, listening, tell
from recap_assets.stages.stage import Key, Stage

#: More than this many small processes want more memory than they save time.
MOST = 4
_TOLD_EVERY = 0.5


def sensible() -> int:
    """One worker where there is a GPU, else one for each core, up to `MOST`."""
    from recap_assets.captioning.captioner import device

    return 1 if device() == "cuda" else min(MOST, cores())


class Workers:
    """A pool of `count` processes for one project; they start when first needed."""

    def __init__(self, project: Project, count: int) -> None:
        self.count = count
        self._project = project
        self._context = multiprocessing.get_context("spawn")
        self._progress: Any = self._context.Queue()
        self._stop = self._context.Event()
        self._pool: ProcessPoolExecutor | None = None

    def run(self, stage: Stage, keys: Sequence[Key]) -> Iterator[Ran]:
        """Build partitions of a stage, each told as it ends.

        Raises:
            KeyboardInterrupt: if somebody stopped a run.
        """
        threads = max(1, cores() // min(self.count, len(keys)))
        self._pool = self._pool or self._started()
        waiting: dict[Future[Ran], Key] = {}
        try:
            for key in keys:
                waiting[self._pool.submit(_build, stage.name, key, threads, refresh.asked())] = key
            while waiting:
                done, _ = wait(waiting, timeout=_TOLD_EVERY, return_when="FIRST_COMPLETED")
                self._pass_on()
                for future in done:
                    yield self._outcome(future, stage, waiting.pop(future))
        finally:
            if waiting:  # somebody stopped us
                self._stop.set()
            for future in waiting:
                future.cancel()

    def _started(self) -> ProcessPoolExecutor:
        place = (str(self._project.file), os.environ["DAGSTER_HOME"])
        told = (*place, self._progress, self._stop)
        return ProcessPoolExecutor(self.count, self._context, _start, told)

    def _pass_on(self) -> None:
        """Tell this process what the workers told since the last time."""
        with suppress(queue.Empty):
            while True:
                tell(*self._progress.get_nowait())

    def _outcome(self, future: Future[Ran], stage: Stage, key: Key) -> Ran:
        try:
            return future.result()
        except BrokenProcessPool:
            self._pool = None  # the next stage starts another
            reason = (
                "a worker process was killed, perhaps for want of memory; "
                "`recap run --workers 1` needs the least"
            )
            failures.record(self._project, stage.name, key, reason)
            return Ran(stage.name, key, 0, reason)

    def close(self) -> None:
        """End the processes; what they have not begun is left."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


_context: dict[str, Any] = {}


def _start(file: str, home: str, progress: Any, stop: Any) -> None:
    """Make a worker process ready; it ends with the process that started it.

    Ctrl-C reaches every process of a terminal: here it is the parent's to say what it means.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    os.environ |= {VARIABLE: file, "DAGSTER_HOME": home}
    _context.update(progress=progress, stop=stop)


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _build(stage: str, key: Key, threads: int, how: Refresh) -> Ran:
    from recap_assets.defs import one_run
    from recap_assets.stages.graph import STAGES

    _use(threads)
    if "job" not in _context:
        import dagster as dg

        project = Project.open(Path(os.environ[VARIABLE]))
        job = one_run.job_of(project, alone=False)
        _context.update(project=project, instance=dg.DagsterInstance.get(), job=job)
    project, job, instance = (_context[name] for name in ("project", "job", "instance"))
    told = _teller(_context["progress"], _context["stop"])
    with refresh.refreshing(how), listening(told):
        return one_run.run(project, job, instance, STAGES[stage], key)


def _use(threads: int) -> None:
    """Let torch use so many threads, whether it is imported by now or later."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def _teller(progress: Any, stop: Any) -> Listener:
    """Tells the parent how far the work is, twice a second at the most, until it says stop."""
    last = 0.0

    def listener(done: int, total: int, what: str) -> None:
        nonlocal last
        if stop.is_set():
            raise KeyboardInterrupt
        if done == total or time.monotonic() - last >= _TOLD_EVERY:
            last = time.monotonic()
            progress.put((done, total, what))

    return listener
