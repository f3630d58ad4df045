"""Writing a captioner as an ordinary `from_pretrained` folder with a model card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.card import readme
from recap_assets.experiment import atomic
from recap_assets.experiment.quiet import quiet


def save(
    captioner: Captioner, folder: Path, card: Mapping[str, Any], *, half: bool = False
) -> None:
    """Write weights, tokenizer, image processor, README.md and recap.json, replacing `folder`.

    half: store 16-bit weights, which take half the space and are read back as 32-bit ones.

    Raises:
        UserError: if the disk refuses.
    """
    with atomic.directory(folder) as temporary:
        put(lambda place: captioner.family.save(place, half=half), temporary, card)


def put(write: Callable[[Path], None], folder: Path, card: Mapping[str, Any]) -> None:
    """Write what `write` writes into a folder that is there, and README.md and recap.json.

    Args:
        card: facts that JSON can hold, kept in recap.json and told in README.md. "title" and "note"
            are its heading and opening; "simulated": true adds that no person wrote the captions;
            "adapter" says of a LoRA adapter the "base" as it was named, whether that is "on_hub",
            its "revision" and "architecture"; "prompts" maps style to prompt; "scores" and "before"
            map style to named numbers, after and before tuning; "stopping" is a sentence on when
            tuning ended; "losses" and "standings" stay in recap.json; every other entry (base,
            human set digest, steps, ...) is a line of a table.

    Raises:
        UserError: if the disk refuses.
    """
    with quiet():
        write(folder)
    atomic.write_json(folder / "recap.json", dict(card))
    atomic.write_text(folder / "README.md", readme(card))
