"""Stage `metrics`: the scores of every picture of a row, and its features."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl

from recap_assets.evaluation.scores import SCHEMA
from recap_assets.experiment import atomic
from recap_assets.experiment.fingerprint import digest
from recap_assets.experiment.project import Project
from recap_assets.stages import inputs, networks, samples
from recap_assets.stages.memory import remembered
from recap_assets.stages.stage import Key, NotReady, Product, Stage, Table, named

NAME = "metrics"
CODE = "1"


def keys(project: Project) -> list[Key]:
    """Every row of the table; none where nothing is to be measured."""
    return samples.keys(project) if project.config.evaluation.metrics else []


@remembered
def wanted(project: Project, key: Key) -> str:
    """The pictures, the detector with its threshold, and the extractor."""
    row = named(key)
    pictures = samples.wanted(project, row)
    if not samples.made(project, row, pictures):
        raise NotReady(f"samples[{row}] are not drawn from the weights as they are now")
    threshold = project.config.evaluation.threshold
    detector = networks.detector_version(project)
    return digest([CODE, pictures, detector, threshold, networks.extractor_version(project)])


def made(project: Project, key: Key, version: str) -> bool:
    """Whether these scores are there."""
    return project.metrics(named(key), version).is_dir()


def seen(project: Project, key: Key) -> bool:
    """Whether any scores of the row are there."""
    return (project.root / "metrics" / named(key)).is_dir()


def folder(project: Project, row: str) -> Path:
    """The folder of the row's current scores.

    Raises:
        NotReady: if they are not there.
    """
    found = project.metrics(row, wanted(project, row))
    if not found.is_dir():
        raise NotReady(f"metrics[{row}] are not measured on the pictures as they are now")
    return found


def scores(project: Project, row: str) -> pl.DataFrame:
    """Per-sample scores of a row (`evaluation.scores.SCHEMA`). Raises as `folder`."""
    return pl.read_parquet(folder(project, row) / "scores.parquet")


def features(project: Project, row: str) -> np.ndarray | None:
    """Features of the row's pictures, None without an extractor. Raises as `folder`."""
    from safetensors.numpy import load

    path = folder(project, row) / "features.safetensors"
    return load(path.read_bytes())["features"] if path.exists() else None


def build(project: Project, key: Key) -> Product:
    """Detect, score and describe the pictures unless that was done."""
    row = named(key)
    version = wanted(project, key)
    fresh = not made(project, key, version)
    if fresh:
        _measure(project, row, version)
    rows = scores(project, row)
    means = rows.group_by("metric").agg(pl.col("value").mean(), pl.len().alias("n")).sort("metric")
    return Product(
        version=version,
        computed=samples.frame(project, row).height if fresh else 0,
        facts={
            "pictures": samples.frame(project, row).height,
            "means": Table(means),
            "path": project.metrics(row, version),
            **{f"mean_{name}": value for name, value, _ in means.iter_rows()},
        },
    )


def _measure(project: Project, row: str, version: str) -> None:
    from safetensors.numpy import save_file

    pixels = _pixels(samples.paths(project, row))
    with atomic.directory(project.metrics(row, version)) as target:
        _scores(project, row, pixels, target).write_parquet(target / "scores.parquet")
        if project.config.evaluation.extractor:
            found = networks.extractor(project).extract(pixels)
            save_file({"features": found}, target / "features.safetensors")


def _scores(project: Project, row: str, pixels: np.ndarray, target: Path) -> pl.DataFrame:
    from recap_assets.evaluation.scores import score

    if project.config.evaluation.detector is None:
        return pl.DataFrame(schema=SCHEMA)
    drawn = samples.frame(project, row)
    found = networks.detector(project).detect(pixels)
    told = [
        [{"label": d.label, "score": d.score, "box": list(d.box)} for d in one] for one in found
    ]
    drawn.select("prompt_id", "sample").with_columns(
        pl.Series("detections", [json.dumps(one) for one in told])
    ).write_parquet(target / "detections.parquet")
    prompts = inputs.prompts(project)
    by_prompt: dict[str, list[list]] = {prompt.id: [] for prompt in prompts}
    for prompt_id, one in zip(drawn["prompt_id"], found, strict=True):
        by_prompt[prompt_id].append(one)
    return score(row, prompts, [by_prompt[prompt.id] for prompt in prompts])


def _pixels(paths: list[Path]) -> np.ndarray:
    from PIL import Image

    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])


STAGE = Stage(NAME, keys, wanted, made, seen, build)
