"""A captioner in memory: its family's model, how it is set, and what names its files."""

from __future__ import annotations

from dataclasses import dataclass

from recap_assets.captioning.families.family import Family
from recap_assets.experiment.captioner_settings import Captioner as Settings


def device() -> str:
    """The GPU if there is one, else the CPU."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@dataclass
class Captioner:
    """A model ready for use, in evaluation mode.

    `digest` names the files it was loaded from and is "" for weights that were never saved.
    `encodes` counts the pictures that went through the image encoder to be captioned; `most` is
    the largest batch that memory was found to have room for, None while none was too large.
    """

    family: Family
    settings: Settings
    digest: str = ""
    encodes: int = 0
    most: int | None = None
