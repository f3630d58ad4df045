"""The README.md of a trained arm: what it saw, from what it started, how it is loaded."""

from __future__ import annotations

from typing import Any


def text(facts: dict[str, Any]) -> str:
    """The card as Markdown with the hub's front matter."""
    captions = "\n".join(
        f"| {style} | `{digest}` |" for style, digest in facts["caption_sets"].items()
    )
    mix = ", ".join(f"{style} {weight:g}" for style, weight in facts["mix"].items())
    simulated = (
        "\nPictures and human captions of this data set are drawn and simulated by a program.\n"
        if facts["simulated"]
        else ""
    )
    settings = facts["settings"]
    return f"""---
library_name: diffusers
pipeline_tag: text-to-image
base_model: {facts["base_model"]}
---

# {facts["arm"]}

A StableDiffusionPipeline trained on the caption mix {mix}.
{simulated}
    from diffusers import StableDiffusionPipeline
    pipeline = StableDiffusionPipeline.from_pretrained("<this folder>")

| | |
|---|---|
| base weights | `{facts["base_digest"]}` |
| trained | {", ".join(facts["train"])} |
| images | {facts["images"]} |
| steps, batch, peak learning rate | {settings["steps"]}, {settings["batch"]}, {settings["lr"]:g} |
| prompt dropout | {settings["prompt_dropout"]:g} |
| captions over the limit | {settings["over_limit"]} |
| pictures left out of an epoch | {facts["dropped"]} |
| seed | {facts["seed"]} |
| final loss | {facts["final_loss"]:.4f} |

| style | caption set |
|---|---|
{captions}
"""
