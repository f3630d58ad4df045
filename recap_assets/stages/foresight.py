"""Looking ahead: within a block, inputs that are not built yet are worked out and not stored.

So the same functions that say what a partition should be also say what it would be after a run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from recap_assets.stages.memory import remembering

_folder: ContextVar[Path | None] = ContextVar("recap_foresight", default=None)


def folder() -> Path | None:
    """Where what was worked out lies, or None outside of a block."""
    return _folder.get()


@contextmanager
def foreseeing() -> Iterator[None]:
    """A block in which nothing is built, but everything that can be known counts as built."""
    with tempfile.TemporaryDirectory() as place, remembering():
        token = _folder.set(Path(place))
        try:
            yield
        finally:
            _folder.reset(token)
