"""Processes that train as one: each computes its pictures' part, and the gradients are added up.

Plain all-reduces of weighted sums instead of `DistributedDataParallel`: that takes the mean over
processes, which is the mean over the batch only where all have as many pictures, and would reduce
after every micro-batch. The price is that it does not overlap with the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from recap_assets.diffusion.share import Share
from recap_assets.experiment.errors import UserError

if TYPE_CHECKING:
    import torch

#: Numbers that are exchanged at once: a copy of so many needs memory for a moment.
_AT_ONCE = 2**25
#: A process waits that long for the first one, which encodes captions and writes weights. One that
#: died ends the others at once, by their agent.
_PATIENCE = timedelta(hours=12)


@contextmanager
def joined(rank: int, count: int, place: Path) -> Iterator[Share]:
    """The share of process `rank` among `count` of this machine, which meet in the file `place`.

    Each has the GPU of its number; without any GPU they compute on the CPU. The block ends when
    all have come to its end.

    Raises:
        UserError: if there are fewer GPUs than processes.
    """
    from torch import distributed

    device = _device(rank, count)
    distributed.init_process_group(
        "gloo" if device is None else "nccl",
        init_method=f"file://{place}",
        rank=rank,
        world_size=count,
        timeout=_PATIENCE,
        device_id=device,
    )
    yield Group(rank, count)
    # Only in good order: after a failure there is nobody left to wait for.
    distributed.barrier(device_ids=None if device is None else [rank])
    distributed.destroy_process_group()


def _device(rank: int, count: int) -> torch.device | None:
    import torch

    there = torch.cuda.device_count()
    if not there:
        return None
    if there < count:
        raise UserError(f"t2i.processes: {count}, more than the {there} GPUs here; lower it")
    torch.cuda.set_device(rank)
    return torch.device("cuda", rank)


class Group(Share):
    """One of the processes of torch's default group."""

    def same(self, tensors: Sequence[torch.Tensor]) -> None:
        """Make each tensor what it is in the first process."""
        from torch import distributed

        _at_once(tensors, lambda flat: distributed.broadcast(flat, 0))

    def add(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its sum over all processes, the same in every one of them."""
        from torch import distributed

        _at_once(tensors, distributed.all_reduce)


def _at_once(tensors: Sequence[torch.Tensor], change: Callable[[torch.Tensor], object]) -> None:
    """Change tensors in place, many as one: each exchange between processes takes its time."""
    import torch

    for bucket in buckets(tensors, _AT_ONCE):
        flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
        change(flat)
        parts = flat.split([tensor.numel() for tensor in bucket])
        found = [part.view_as(tensor) for part, tensor in zip(parts, bucket, strict=True)]
        torch._foreach_copy_(bucket, found)


def buckets(tensors: Sequence[torch.Tensor], most: int) -> Iterator[list[torch.Tensor]]:
    """The tensors in their order, together as long as they are of one type and hold no more than
    `most` numbers; a larger one is by itself."""
    bucket: list[torch.Tensor] = []
    size = 0
    for tensor in tensors:
        size += tensor.numel()
        if bucket and (size > most or tensor.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], tensor.numel()
        bucket.append(tensor)
    if bucket:
        yield bucket
