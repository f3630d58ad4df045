"""The README.md of an exported data set, as the hub reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import yaml

from recap_assets.captions.export.about import About, method

_SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B")
_OF_COLUMNS = {
    "image": "the picture, its bytes as they are in the source",
    "uid": "the first 32 hex digits of the SHA-256 of the picture's bytes",
    "key": "its name in the source",
    "url": "its address, where the source has one",
    "caption": "the chosen caption",
}


@dataclass(frozen=True)
class Terms:
    """What the user says of the data set: licence ids as the hub spells them, a language code."""

    license: str = "other"
    source_license: str | None = None
    language: str = "en"


def text(about: About, columns: list[str], terms: Terms) -> str:
    """The card as Markdown: front matter, columns, how captions were made, how many failed."""
    front = yaml.safe_dump(_front(about, terms), sort_keys=False, allow_unicode=True)
    recipes = {style: method(recipe) for style, recipe in about.recipes.items()}
    told = json.dumps(recipes, indent=2, ensure_ascii=False)
    blocks = [
        f"---\n{front}---",
        "# Recaptioned pictures",
        *([_SIMULATED] if about.simulated else []),
        _licences(terms),
        _columns(about, columns),
        "## How the captions were made\n\nModels, weights and prompts, word for word "
        f"(style `alt` is the source's own text):\n\n```json\n{told}\n```",
        _rates(about),
    ]
    return "\n\n".join(blocks) + "\n"


_SIMULATED = (
    "**Simulated.** The pictures are drawn by a program, and the captions that count as human "
    "here, on which captioners were tuned, are simulated by a grammar. No person wrote them."
)


def _front(about: About, terms: Terms) -> dict[str, Any]:
    size = next((i for i in range(len(_SIZES)) if about.counts.exported < 10 ** (i + 3)), -1)
    return {
        "license": terms.license,
        "task_categories": ["text-to-image", "image-to-text"],
        "language": [terms.language],
        "size_categories": [_SIZES[size]],
        "tags": ["synthetic", "recaption"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
            }
        ],
    }


def _licences(terms: Terms) -> str:
    source = terms.source_license or "not stated; ask where the pictures come from"
    return f"Licence of the captions: {terms.license}. Licence of the pictures: {source}."


def _columns(about: About, columns: list[str]) -> str:
    told = {
        name: _OF_COLUMNS.get(name, f"the caption of style `{name}`; null where it is not ok")
        for name in columns
    }
    if about.chosen:
        told["caption"] = f"the chosen caption: {about.chosen}"
    lines = "\n".join(f"| `{name}` | {what} |" for name, what in told.items())
    return f"## Columns\n\n| column | what it is |\n|---|---|\n{lines}"


def _rates(about: About) -> str:
    counts = about.counts
    left = {
        "cannot be used": counts.unusable,
        "held out for evaluation": counts.held_out,
        "repeated": counts.repeated,
        **counts.failed,
    }
    lines = "\n".join(
        f"| {style} | {status} | {count} | {count / sum(statuses.values()):.2%} |"
        for style, statuses in counts.statuses.items()
        for status, count in statuses.items()
    )
    out = ", ".join(f"{reason}: {count}" for reason, count in left.items() if count) or "none"
    return (
        "## What failed\n\nCaptions by status, of the pictures exported and of those left out for "
        "want of a good caption:\n\n| style | status | captions | share |\n|---|---|---|---|\n"
        f"{lines}\n\nPictures of the source: {counts.pictures}, exported: {counts.exported}, "
        f"among them without a caption: {counts.without_caption}. Left out: {out}."
    )
