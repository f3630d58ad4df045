"""Writes a pipeline as a diffusers folder that says nothing of the machine it was made on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from recap_assets.experiment.quiet import quiet

if TYPE_CHECKING:
    from recap_assets.diffusion.families.family import Family

#: Where diffusers notes the folder that a part was loaded from.
_ORIGIN = "_name_or_path"


def save(family: Family, folder: Path) -> None:
    """Write the pipeline into `folder`, weights as safetensors and without its parts' origins."""
    with quiet():
        family.pipeline.save_pretrained(folder, safe_serialization=True)
    for file in folder.rglob("*.json"):
        told = json.loads(file.read_text(encoding="utf-8"))
        if _ORIGIN in told:
            del told[_ORIGIN]
            text = json.dumps(told, indent=2, sort_keys=True) + "\n"
            file.write_text(text, encoding="utf-8", newline="\n")
