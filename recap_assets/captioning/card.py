"""The README.md of a captioner: what it is, how it was tuned, and how well it does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

_SIMULATED = "The human captions are **simulated**: a grammar wrote them, not people."
_CIDER = (
    "`cider` is CIDEr-D with the rarity of words taken from these validation captions, so it does "
    "not compare with that of another set; it is empty where they do not differ. `words` and "
    "`human_words` are mean lengths."
)
_ADAPTER = """A LoRA adapter in the layout of peft, to be put on its base model:

    from peft import PeftModel
    from transformers import {architecture}

    base = {architecture}.from_pretrained("{base}"{revision})
    model = PeftModel.from_pretrained(base, "<this folder>")
"""
#: What is told elsewhere than in the table of facts, or in recap.json alone.
_APART = (
    *("title", "note", "simulated", "prompts", "scores", "before", "losses", "standings"),
    *("stopping", "adapter"),
)


def readme(card: Mapping[str, Any]) -> str:
    """The model card in Markdown; `save.put` says what `card` may hold."""
    parts = [_header(card), f"# {card.get('title', 'Captioner')}\n"]
    if "note" in card:
        parts.append(f"{card['note']}\n")
    if card.get("simulated"):
        parts.append(f"{_SIMULATED}\n")
    if "adapter" in card:
        parts.append(_usage(card["adapter"]))
    facts = [
        (name, value if isinstance(value, str) else json.dumps(value))
        for name, value in card.items()
        if name not in _APART
    ]
    parts += _table("Training", ("", ""), facts)
    if card.get("stopping"):
        parts.append(f"{card['stopping']}\n")
    parts += _table("Prompts", ("style", "prompt"), list(card.get("prompts", {}).items()))
    return "\n".join([*parts, *_validation(card)])


def _header(card: Mapping[str, Any]) -> str:
    """The front matter that a hub reads."""
    if "adapter" not in card:
        return "---\nlibrary_name: transformers\npipeline_tag: image-to-text\n---\n"
    base = f"base_model: {card['adapter']['base']}\n" if card["adapter"]["on_hub"] else ""
    return f"---\nlibrary_name: peft\npipeline_tag: image-to-text\n{base}tags: [lora]\n---\n"


def _usage(adapter: Mapping[str, Any]) -> str:
    revision = adapter["revision"]
    said = "" if revision is None else f', revision="{revision}"'
    return _ADAPTER.format(
        architecture=adapter["architecture"], base=adapter["base"], revision=said
    )


def _validation(card: Mapping[str, Any]) -> list[str]:
    """The scores by style, and what they were before tuning where that is known."""
    found = {"before": card["before"]} if "before" in card else {}
    found["after"] = card.get("scores", {})
    lines = [(style, when, row) for when, of in found.items() for style, row in of.items()]
    names = list(dict.fromkeys(name for _, _, row in lines for name in row))
    rows = [
        (style, when, *(_number(row.get(name)) for name in names)) for style, when, row in lines
    ]
    table = _table("Validation", ("style", "tuning", *names), rows)
    return [*table, f"{_CIDER}\n"] if "cider" in names else table


def _table(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    lines = [head, tuple("---" for _ in head), *rows]
    cells = [" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines]
    return [f"## {title}\n", "".join(f"| {line} |\n" for line in cells)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")
