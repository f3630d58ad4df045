"""Stage `report`: the page that shows what the new captions bought."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from recap_assets.evaluation.report import CaptionSample, GridRow, ReportData, render
from recap_assets.experiment import atomic
from recap_assets.experiment.fingerprint import digest, file_sha256, short
from recap_assets.experiment.project import Project
from recap_assets.images.reader import PictureReader
from recap_assets.stages import (
    audit,
    captioner,
    checkpoint,
    database,
    images,
    inputs,
    recaption_facts,
    samples,
    t2i_base,
    table,
)
from recap_assets.stages.stage import Key, Product, Stage

NAME = "report"
CODE = "1"
PROMPTS, CAPTIONS = 8, 6


def keys(project: Project) -> list[Key]:
    """One."""
    return [None]


def wanted(project: Project, key: Key) -> str:
    """The table and the audits."""
    made_of = table.wanted(project, None) if table.keys(project) else None
    if made_of is not None:
        table.frames(project)
    audits = [audit.wanted(project, style) for style in audit.keys(project)]
    return digest([CODE, made_of, audits])


def made(project: Project, key: Key, version: str) -> bool:
    """Whether the page was made of them."""
    told = project.report / "recap.json"
    return told.exists() and json.loads(told.read_text(encoding="utf-8"))["version"] == version


def seen(project: Project, key: Key) -> bool:
    """Whether any page is there."""
    return page(project).exists()


def page(project: Project) -> Path:
    """The file of the page."""
    return project.report / "index.html"


def build(project: Project, key: Key) -> Product:
    """Render the page, and bring the database's views up to date."""
    version = wanted(project, key)
    fresh = not made(project, key, version)
    if fresh:
        atomic.write_text(page(project), render(data(project)))
        atomic.write_json(project.report / "recap.json", {"version": version})
    database.write(project)
    size = page(project).stat().st_size
    return Product(version, int(fresh), {"path": page(project), "bytes": size})


def data(project: Project) -> ReportData:
    """Everything the page shows."""
    measured, deltas = table.frames(project) if table.keys(project) else (None, None)
    return ReportData(
        title=project.file.parent.name if not inputs.is_simulated(project) else "scenes",
        simulated=inputs.is_simulated(project),
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        metrics=measured,
        differences=deltas,
        grid=_grid(project),
        losses=_losses(project),
        captions=_captions(project),
        audit=_audits(project),
        captioner=_captioners(project),
        provenance=_provenance(project),
    )


def _grid(project: Project) -> list[GridRow]:
    if not table.keys(project):
        return []
    on_the_way = project.weights().keys() - project.arm_keys().keys()
    names = [row for row in table.rows(project) if row not in on_the_way]
    files = {row: samples.paths(project, row) for row in names}
    frames = {row: samples.frame(project, row) for row in names}
    prompts = inputs.prompts(project)
    return [
        GridRow(
            prompt.prompt,
            {row: files[row][_first(frames[row], prompt.id)].read_bytes() for row in names},
        )
        for prompt in prompts[:: max(1, len(prompts) // PROMPTS)][:PROMPTS]
    ]


def _first(frame: pl.DataFrame, prompt_id: str) -> int:
    return int(frame["prompt_id"].index_of(prompt_id) or 0)


def _losses(project: Project) -> dict[str, list[tuple[int, float]]]:
    found = {key: checkpoint.card(project, key)["losses"] for key in project.arm_keys()}
    for name in project.config.captioners:
        told = captioner.card(project, name, captioner.wanted(project, name))
        if told:
            found[f"captioner {name}"] = told["losses"]
    return {name: list(enumerate(losses, start=1)) for name, losses in found.items()}


def _captions(project: Project) -> list[CaptionSample]:
    shard = next(iter(inputs.shards(project)))
    texts = recaption_facts.examples(project, shard, CAPTIONS).drop("key")
    tar = images.source(project, shard)
    with PictureReader(tar, project.config.dataset.max_pixels) as reader:
        found = list(reader.pictures(images.usable(project, shard).head(CAPTIONS)))
    return [
        CaptionSample(_png(picture), {style: text or "" for style, text in row.items()})
        for picture, row in zip(found, texts.iter_rows(named=True), strict=True)
    ]


def _png(picture: Any) -> bytes:
    out = BytesIO()
    picture.thumbnail((192, 192))
    picture.save(out, "PNG")
    return out.getvalue()


def _audits(project: Project) -> dict[str, dict[str, Any]]:
    found = {}
    for style in project.style_names():
        told = audit.result(project, style)
        found[style] = {
            "n": told.get("n"),
            "words_mean": told.get("words_mean"),
            "words_p95": (told.get("words_quantiles") or {}).get("0.95"),
            "vocabulary": told.get("vocabulary"),
            "distinct_share": told.get("distinct"),
            "over_limit_share": told.get("over_limit"),
            "recall": told.get("object_recall"),
            "chair_i": told.get("chair_i"),
            "chair_s": told.get("chair_s"),
            "c2st": told.get("c2st"),
            "c2st_length_matched": told.get("c2st_length_matched"),
        }
    return found


def _captioners(project: Project) -> dict[str, dict[str, dict[str, float | None]]]:
    found: dict[str, dict[str, dict[str, float | None]]] = {"base": {}, "tuned": {}}
    for style in project.config.styles:
        for name, scores in audit.result(project, style).get("captioner", {}).items():
            if scores:
                found[name][style] = scores
    return {name: by_style for name, by_style in found.items() if by_style}


def _provenance(project: Project) -> list[tuple[str, str]]:
    lines = [("text-to-image base", t2i_base.version(project))]
    for name in project.config.captioners:
        lines.append((f"captioner {name}", captioner.wanted(project, name)))
    for key in project.arm_keys():
        told = checkpoint.card(project, key)
        lines.append((f"checkpoint {key}", told["version"]))
        lines += [(f"caption set of {key}, {s}", d) for s, d in told["caption_sets"].items()]
    file = inputs.prompts_file(project)
    if file is not None:
        lines.append(("prompt set", file_sha256(file)))
    return [(name, short(value)) for name, value in dict(lines).items()]


STAGE = Stage(NAME, keys, wanted, made, seen, build)
