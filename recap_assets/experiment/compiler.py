"""What torch.compile needs of a machine, told as what it is where it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from recap_assets.experiment.errors import UserError


@contextmanager
def compiler(setting: str, what: str) -> Iterator[None]:
    """A block in which torch may compile `what`, because `setting` asks for it.

    Raises:
        UserError: if this machine cannot compile.
    """
    import torch

    try:
        yield
    except torch._dynamo.exc.BackendCompilerFailed as error:
        line = (str(error.inner_exception).splitlines() or [""])[0][:200]
        raise UserError(
            f"{setting}: the {what} cannot be compiled here ({line}); "
            "set `compile: false`, or install a C++ compiler"
        ) from error
