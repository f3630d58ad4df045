"""Progress of long work, told to whoever listens: a bar in the terminal, the log of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: (done, total, what), called often.
Listener = Callable[[int, int, str], None]

_listener: ContextVar[Listener | None] = ContextVar("recap_progress", default=None)


def tell(done: int, total: int, what: str) -> None:
    """Say how far the work is."""
    if (heard := listener()) is not None:
        heard(done, total, what)


def listener() -> Listener | None:
    """Who listens now."""
    return _listener.get()


@contextmanager
def listening(to: Listener) -> Iterator[None]:
    """Within the block, `tell` reaches `to`."""
    token = _listener.set(to)
    try:
        yield
    finally:
        _listener.reset(token)
