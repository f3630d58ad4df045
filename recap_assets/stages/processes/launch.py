"""Starts several processes of a module on this machine, listens to them, and ends them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path

from recap_assets.experiment.errors import UserError
from recap_assets.stages.processes import agent
from recap_assets.stages.processes.environment import GRACE, environment
from recap_assets.stages.processes.failure import failure
from recap_assets.stages.processes.notes import Notes
from recap_assets.stages.progress import tell

#: A block around a launch, which says what else its processes find in their environment.
Surroundings = Callable[[], AbstractContextManager[Mapping[str, str]]]

_LISTENS_EVERY = 0.1
_surroundings: ContextVar[Surroundings] = ContextVar(
    "recap_launch", default=lambda: nullcontext({})
)


@contextmanager
def launching_in(surroundings: Surroundings) -> Iterator[None]:
    """Within the block, launches happen in `surroundings`."""
    token = _surroundings.set(surroundings)
    try:
        yield
    finally:
        _surroundings.reset(token)


def launch(module: str, arguments: Sequence[str], count: int) -> None:
    """Run `count` processes of `python -m module`, each a rank (see `rank.main`), to their end.

    Their progress is told here. None of them outlives this call, nor this process.

    Raises:
        UserError, NotReady: if a rank does; UserError also if one was killed.
        RuntimeError: if one fails otherwise; its first line says how, the others what was printed.
    """
    if os.name != "posix":
        raise UserError(f"{count} processes: they need Linux or macOS; set 1")
    with (
        tempfile.TemporaryDirectory(prefix="recap-launch-", ignore_cleanup_errors=True) as folder,
        _surroundings.get()() as told,
    ):
        notes = Notes(Path(folder))
        command = [sys.executable, "-m", agent.__name__, str(count), module, *arguments]
        code = _run(command, environment(notes.folder, count) | dict(told), notes)
        if code:
            raise failure(notes, count, code)


def _run(command: Sequence[str], variables: Mapping[str, str], notes: Notes) -> int:
    """Run a command to its end and pass on what is told meanwhile."""
    with open(notes.log, "wb") as log:
        # In a session of its own, since Ctrl-C in a terminal is ours to pass on, once.
        process = subprocess.Popen(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        for heard in notes.heard():
            for done, total, what in heard:
                tell(done, total, what)
            if process.poll() is not None:
                break
            time.sleep(_LISTENS_EVERY)
    finally:
        _end(process)
    return process.returncode


def _end(process: subprocess.Popen[bytes]) -> None:
    """See that the agent ends, which ends the ranks; they are killed with it if it must be."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(2 * GRACE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()
        process.wait()
