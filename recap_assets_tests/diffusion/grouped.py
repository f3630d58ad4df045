"""What the ranks of the tests compute: `python -m` this module, started by `launch`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from recap_assets.diffusion import group
from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.feed import Examples
from recap_assets.diffusion.load import load
from recap_assets.diffusion.saves import Saves
from recap_assets.diffusion.settings import TrainSettings
from recap_assets.diffusion.share import Share
from recap_assets.diffusion.texts import Encoders
from recap_assets.diffusion.train import train
from recap_assets.stages.processes import rank
from recap_assets.stages.processes.notes import Notes
from recap_assets_tests.diffusion.making import CAPTIONS, latents, weights

PICTURES = 7
Learned = tuple[list[float], dict[str, torch.Tensor]]


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


def draw(epoch: int) -> list[str | None]:
    """Captions by epoch; some pictures have none, so that processes have unequally many."""
    return [
        None if (row + epoch) % 2 else CAPTIONS[(row + epoch) % len(CAPTIONS)]
        for row in range(PICTURES)
    ]


def learn(model: Path, share: Share, settings: TrainSettings, until: int, saved: Path) -> Learned:
    """Train a tiny model and tell its losses and weights."""
    family = load(model)
    examples = Examples(latents(PICTURES), draw, Encoders(family))
    saves = Saves(saved, "version")
    record = train(family, examples, settings, until=until, saves=saves, share=share)
    return record.losses, trained(family)


def trained(family: Family) -> dict[str, torch.Tensor]:
    """The weights that move."""
    parts = ("unet", "text_encoder")
    return {
        f"{part}.{name}": weight
        for part in parts
        for name, weight in weights(getattr(family.pipeline, part)).items()
    }


def training(notes: Notes, folder: str, settings: str, until: str) -> None:
    """This process's share of `learn`, written down by each."""
    how = TrainSettings(**json.loads(settings))
    with group.joined(rank.rank(), rank.count(), notes.group) as share:
        place = Path(folder)
        losses, moved = learn(place / "model", share, how, int(until), place / "save.safetensors")
    told = {"losses": torch.tensor(losses, dtype=torch.float64), **moved}
    save_file(told, Path(folder) / f"learnt-{rank.rank()}.safetensors")


def work(notes: Notes) -> None:
    what, *arguments = sys.argv[1:]
    globals()[what](notes, *arguments)


if __name__ == "__main__":
    rank.main(work)
