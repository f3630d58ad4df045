"""Too little memory for a training, told as what it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from recap_assets.experiment.errors import UserError

#: How the CPU's allocator says it: PyTorch has no exception of its own for it.
_CPU = ("can't allocate memory", "not enough memory")


@contextmanager
def enough_memory() -> Iterator[None]:
    """A block that may run out of the memory of the device or of the machine.

    Raises:
        UserError: if it does, with the settings that need less.
    """
    import torch

    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and not any(
            sign in str(error) for sign in _CPU
        ):
            raise
        reason = (str(error).splitlines() or ["out of memory"])[0]
        raise UserError(
            f"training: the memory is too small ({reason}); set t2i.accumulate, "
            "t2i.gradient_checkpointing: true, t2i.precision: bf16 or t2i.method: lora"
        ) from error
