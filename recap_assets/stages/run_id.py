"""The id of the run that writes rows: Dagster's where it runs, else one of this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import uuid4

_PROCESS = f"process-{uuid4().hex[:12]}"
_current: ContextVar[str] = ContextVar("recap_run_id", default=_PROCESS)


def current_run_id() -> str:
    """The id that rows written now carry."""
    return _current.get()


@contextmanager
def running(run_id: str) -> Iterator[None]:
    """Within the block, rows carry `run_id`."""
    token = _current.set(run_id)
    try:
        yield
    finally:
        _current.reset(token)
