"""A denoiser that is compiled while it is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from recap_assets.experiment.errors import UserError


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
    import torch

    network.compile()
    try:
        yield
    except torch._dynamo.exc.BackendCompilerFailed as error:
        line = (str(error.inner_exception).splitlines() or [""])[0][:200]
        raise UserError(
            f"t2i.compile: the denoiser cannot be compiled here ({line}); "
            "set `compile: false`, or install a C++ compiler"
        ) from error
    finally:
        # `Module.compile` has no counterpart.
        network._compiled_call_impl = None
