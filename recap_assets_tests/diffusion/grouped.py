"""What the ranks of the tests compute: `python -m` this module, started by `launch`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from recap_assets.diffusion import group
from recap_assets.stages.processes import rank
from recap_assets.stages.processes.notes import Notes


def tensors(number: int) -> dict[str, torch.Tensor]:
    """What process `number` has before the exchange: types, shapes and layouts of many kinds."""
    generator = torch.Generator().manual_seed(number)
    drawn = torch.randn(3, 5, 7, generator=generator)
    return {
        "scalar": drawn.mean(),
        "image": drawn[None].to(memory_format=torch.channels_last),
        "turned": drawn.permute(2, 0, 1),
        "half": drawn.to(torch.bfloat16),
        "whole": torch.arange(4) + number,
        "empty": drawn[:0],
        "large": torch.full((200,), float(number)),
    }


def exchange(notes: Notes, folder: str) -> None:
    """Write down the sums and the first process's tensors."""
    group._AT_ONCE = 100  # several buckets, and one tensor larger than any
    with group.joined(rank.rank(), rank.count(), notes.group) as share:
        summed, same = tensors(rank.rank()), tensors(rank.rank())
        share.add(list(summed.values()))
        share.same(list(same.values()))
    for name, found in (("sum", summed), ("same", same)):
        tidy = {key: tensor.contiguous() for key, tensor in found.items()}
        save_file(tidy, Path(folder) / f"{name}-{rank.rank()}.safetensors")


def work(notes: Notes) -> None:
    what, *arguments = sys.argv[1:]
    globals()[what](notes, *arguments)


if __name__ == "__main__":
    rank.main(work)
