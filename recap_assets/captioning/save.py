"""Writing a captioner as an ordinary `from_pretrained` folder with a model card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recap_assets.captioning.captioner import Captioner
from recap_assets.experiment import atomic
from recap_assets.experiment.quiet import quiet

_HEADER = "---\nlibrary_name: transformers\npipeline_tag: image-to-text\n---\n"
_SIMULATED = "The human captions are **simulated**: a grammar wrote them, not people."


def save(
    captioner: Captioner, folder: Path, card: Mapping[str, Any], *, half: bool = False
) -> None:
    """Write weights, tokenizer, image processor, README.md and recap.json, replacing `folder`.

    Args:
        card: facts that JSON can hold, kept in recap.json and told in README.md. "title" and "note"
            are its heading and opening; "simulated": true adds that no person wrote the captions;
            "prompts" maps style to prefix; "scores" maps style to named numbers; every other entry
            (base, human set digest, steps, ...) is a line of a table.
        half: store 16-bit weights, which take half the space and are read back as 32-bit ones.

    Raises:
        UserError: if the disk refuses.
    """
    with atomic.directory(folder) as temporary:
        with quiet():
            captioner.family.save(temporary, half=half)
        atomic.write_json(temporary / "recap.json", dict(card))
        atomic.write_text(temporary / "README.md", readme(card))


def readme(card: Mapping[str, Any]) -> str:
    """The model card in Markdown."""
    parts = [_HEADER, f"# {card.get('title', 'Captioner')}\n"]
    if "note" in card:
        parts.append(f"{card['note']}\n")
    if card.get("simulated"):
        parts.append(f"{_SIMULATED}\n")
    facts = [
        (name, value if isinstance(value, str) else json.dumps(value))
        for name, value in card.items()
        if name not in ("title", "note", "simulated", "prompts", "scores")
    ]
    parts += _table("Training", ("", ""), facts)
    parts += _table("Prompts", ("style", "prefix"), list(card.get("prompts", {}).items()))
    scores = card.get("scores", {})
    names = sorted({name for row in scores.values() for name in row})
    rows = [(style, *(_number(row.get(name)) for name in names)) for style, row in scores.items()]
    parts += _table("Validation", ("style", *names), rows)
    return "\n".join(parts)


def _table(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    lines = [head, tuple("---" for _ in head), *rows]
    cells = [" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines]
    return [f"## {title}\n", "".join(f"| {line} |\n" for line in cells)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")
