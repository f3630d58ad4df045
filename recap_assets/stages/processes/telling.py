"""Rank 0 tells how far the work is: whoever started it, and the log of Dagster's run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from recap_assets.stages.processes.notes import Notes
from recap_assets.stages.progress import Listener, listening

_TOLD_EVERY, _LOGGED_EVERY = 0.2, 15.0
#: What `open_dagster_pipes` goes by.
_PIPES = "DAGSTER_PIPES_CONTEXT"


@contextmanager
def telling(notes: Notes) -> Iterator[None]:
    """Within the block `tell` reaches `notes`, and Dagster where Pipes leads to it."""
    told = seldom(_TOLD_EVERY, notes.progress)
    if _PIPES not in os.environ:
        with listening(told):
            yield
        return
    from dagster_pipes import open_dagster_pipes

    with open_dagster_pipes() as pipes:
        logged = seldom(
            _LOGGED_EVERY, lambda done, total, what: pipes.log.info(f"{what}: {done} of {total}")
        )

        def both(done: int, total: int, what: str) -> None:
            told(done, total, what)
            logged(done, total, what)

        with listening(both):
            yield


def seldom(seconds: float, listener: Listener) -> Listener:
    """Hears the first, the last, and what comes at least so many seconds after what it heard."""
    heard = float("-inf")

    def sometimes(done: int, total: int, what: str) -> None:
        nonlocal heard
        if done == total or time.monotonic() - heard >= seconds:
            heard = time.monotonic()
            listener(done, total, what)

    return sometimes
