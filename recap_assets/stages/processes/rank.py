"""One of several processes that work as one: how it begins, tells and ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn

from recap_assets.stages.processes.environment import AGENT, FOLDER
from recap_assets.stages.processes.failure import TOLD
from recap_assets.stages.processes.lifeline import end_with
from recap_assets.stages.processes.notes import Notes
from recap_assets.stages.processes.telling import telling

_STOPPED = 128 + signal.SIGTERM


def rank() -> int:
    """The number of this process among its like, from 0."""
    return int(os.environ["RANK"])


def count() -> int:
    """How many there are."""
    return int(os.environ["WORLD_SIZE"])


def main(work: Callable[[Notes], None]) -> NoReturn:
    """Do this rank's part of the work; what it raises is kept for whoever started the ranks."""
    end_with(int(os.environ[AGENT]))
    notes = Notes(Path(os.environ[FOLDER]))
    try:
        signal.signal(signal.SIGTERM, _stop)
        with nullcontext() if rank() else telling(notes):
            code = _code(work, notes)
        _end(code)
    except KeyboardInterrupt:  # as it told of its own mistake, say, which came of the other's
        _end(_STOPPED)


def _end(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of native libraries may wait for other ranks for ever, or die of it when torn down.
    os._exit(code)


def _code(work: Callable[[Notes], None], notes: Notes) -> int:
    try:
        work(notes)
    except TOLD as error:
        notes.mistake(rank(), error)
        return 2
    except KeyboardInterrupt:
        return _STOPPED
    except Exception as error:
        notes.mistake(rank(), error)
        return 1
    return 0


def _stop(number: int, frame: Any) -> None:
    """End as by Ctrl-C, which leaves no half-written file; once is enough."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
