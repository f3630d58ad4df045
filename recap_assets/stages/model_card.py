"""The README.md of trained weights: what they saw, what they started from, how they are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

_SIMULATED = (
    "\nPictures and human captions of this data set are drawn and simulated by a program.\n"
)


def text(facts: Mapping[str, Any], metrics: pl.DataFrame | None = None) -> str:
    """The card as Markdown with the hub's front matter.

    `metrics` are the rows of the metric table that were measured on these weights.
    """
    settings = facts["settings"]
    of = f" after {facts['step']} of {settings['steps']} steps"
    return f"""---
library_name: diffusers
pipeline_tag: text-to-image
base_model: {facts["base_model"]}
{_tags(settings)}---

# {facts["arm"]}{of if facts["step"] < settings["steps"] else ""}

{_what(facts)} trained on the caption mix {_mix(facts)}.
{_SIMULATED if facts["simulated"] else ""}
{_loading(facts)}
{_table(("", ""), _training(facts))}
{_table(("style", "caption set"), {s: f"`{d}`" for s, d in facts["caption_sets"].items()})}
{_measured(metrics)}"""


def _tags(settings: Mapping[str, Any]) -> str:
    return "tags: [lora]\n" if settings["method"] == "lora" else ""


def _what(facts: Mapping[str, Any]) -> str:
    if facts["settings"]["method"] == "lora":
        return f"A LoRA adapter for a {facts['pipeline']},"
    return f"A {facts['pipeline']}"


def _mix(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{style} {weight:g}" for style, weight in facts["mix"].items())


def _loading(facts: Mapping[str, Any]) -> str:
    """The lines that load it without this project."""
    name = facts["pipeline"]
    # diffusers wants to be told of parts that the model was saved without.
    without = "".join(f", {part}=None" for part in facts.get("absent", ()))
    adapter = facts["settings"]["method"] == "lora"
    folder = "<the base model>" if adapter else "<this folder>"
    lines = [
        f"from diffusers import {name}",
        f'pipeline = {name}.from_pretrained("{folder}"{without})',
    ]
    if adapter:
        lines.append('pipeline.load_lora_weights("<this folder>")')
    return "".join(f"    {line}\n" for line in lines)


def _training(facts: Mapping[str, Any]) -> dict[str, str]:
    settings = facts["settings"]
    start = ", the denoiser from random weights" if settings["from_scratch"] else ""
    lora = f"lora, rank {settings['rank']}, alpha {settings['alpha']:g}"
    return {
        "base weights": f"`{facts['base_digest']}`{start}",
        "trained": ", ".join(facts["train"]),
        "method": lora if settings["method"] == "lora" else settings["method"],
        "images": str(facts["images"]),
        "steps, batch, peak learning rate": (
            f"{facts['step']}, {settings['batch']}, {settings['lr']:g}"
        ),
        "prompt dropout": f"{settings['prompt_dropout']:g}",
        "captions over the limit": settings["over_limit"],
        "pictures left out of an epoch": str(facts["dropped"]),
        "seeds": f"{facts['seed']} of the arm, {settings['seed']} of all arms",
        "final loss": f"{facts['final_loss']:.4f}",
    }


def _table(head: tuple[str, str], rows: Mapping[str, str]) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in rows.items())]) + "\n"


def _measured(metrics: pl.DataFrame | None) -> str:
    if metrics is None or metrics.is_empty():
        return ""
    columns = ("metric", "value", "ci_low", "ci_high", "n", "prompt_set")
    lines = [
        f"| {metric} | {value:.4f} | {low:.4f} to {high:.4f} | {n} | `{prompts}` |"
        for metric, value, low, high, n, prompts in metrics.select(columns).iter_rows()
    ]
    head = "| metric | value | 95% interval | pictures | prompt set |\n|---|---|---|---|---|\n"
    return "\n" + head + "\n".join(lines) + "\n"
