"""A denoiser that is compiled while it is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from recap_assets.experiment.compiler import compiler


@contextmanager
def compiling(network: Any, wanted: bool) -> Iterator[None]:
    """A block within which the network runs compiled, if that is wanted: equal but for rounding.

    It is compiled in place, so its weights keep their names, once for each kind of shape.

    Raises:
        UserError: if this machine cannot compile.
    """
    if not wanted:
        yield
        return
    network.compile()
    try:
        with compiler("t2i.compile", "denoiser"):
            yield
    finally:
        # `Module.compile` has no counterpart.
        network._compiled_call_impl = None
