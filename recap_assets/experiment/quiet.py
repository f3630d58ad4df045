"""Keeps the libraries' progress bars and load reports out of the logs of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def quiet() -> Iterator[None]:
    """Inside the block transformers and, where it is loaded, diffusers only tell errors.

    Their load reports warn of weights that a part of a model rightly leaves out.
    """
    import sys

    import transformers

    with ExitStack() as stack:
        stack.enter_context(_silenced(transformers.logging))
        if "diffusers" in sys.modules:
            import diffusers

            stack.enter_context(_silenced(diffusers.logging))
        yield


@contextmanager
def _silenced(messages: Any) -> Iterator[None]:
    level, bar = messages.get_verbosity(), messages.is_progress_bar_enabled()
    messages.set_verbosity_error()
    messages.disable_progress_bar()
    try:
        yield
    finally:
        messages.set_verbosity(level)
        if bar:
            messages.enable_progress_bar()
