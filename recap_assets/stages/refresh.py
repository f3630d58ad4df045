"""Which stored captions a build does again: what changed, what failed too, or everything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from recap_assets.captions.plan import Refresh

_refresh: ContextVar[Refresh] = ContextVar("recap_refresh", default="stale")


def asked() -> Refresh:
    """What is to be done again now."""
    return _refresh.get()


@contextmanager
def refreshing(how: Refresh) -> Iterator[None]:
    """Within the block, builds and plans of captions do `how` again."""
    token = _refresh.set(how)
    try:
        yield
    finally:
        _refresh.reset(token)
