"""Stage `metric_table`: the paper's table with intervals, and the differences to Alttext."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from recap_assets.evaluation.frechet_bootstrap import Distance, distances
from recap_assets.evaluation.prompts import digest as prompts_digest
from recap_assets.evaluation.table import Measured, Meta, Source, differences, metric_rows
from recap_assets.experiment import atomic
from recap_assets.experiment.fingerprint import digest, short
from recap_assets.experiment.keys import ALT
from recap_assets.experiment.project import Project
from recap_assets.stages import checkpoint, inputs, metrics, networks, published, reference, samples
from recap_assets.stages.stage import Key, NotReady, Product, Stage, Table

NAME = "metric_table"
CODE = "2"


def keys(project: Project) -> list[Key]:
    """One, where something is measured."""
    return [None] if metrics.keys(project) else []


def rows(project: Project) -> list[str]:
    """The rows of the table that can be had: without real pictures there is no `real`."""
    names = [key for key in metrics.keys(project) if key is not None]
    real = len(inputs.prompt_pictures(project)) == len(inputs.prompts(project))
    return names if real else [name for name in names if name != samples.REAL]


def control(project: Project) -> str | None:
    """The arm that the others are compared with: the first that trains on alt-text alone."""
    arms = project.arm_keys().items()
    return next((key for key, mine in arms if set(mine.arm.mix) == {ALT}), None)


def wanted(project: Project, key: Key) -> str:
    """The scores of every row, the reference, and how intervals are drawn."""
    how = project.config.evaluation
    scores = {row: metrics.folder(project, row).name for row in rows(project)}
    used = reference.wanted(project, None) if reference.keys(project) else None
    return digest([CODE, scores, used, how.metrics, how.bootstrap, control(project)])


def made(project: Project, key: Key, version: str) -> bool:
    """Whether the table was made of these scores."""
    path = project.tables / "metrics.parquet"
    return path.exists() and atomic.read_parquet_metadata(path).get("version") == version


def seen(project: Project, key: Key) -> bool:
    """Whether any table is there."""
    return (project.tables / "metrics.parquet").exists()


def frames(project: Project) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The current metric rows and differences.

    Raises:
        NotReady: if the table is not made of the scores as they are now.
    """
    if not made(project, None, wanted(project, None)):
        raise NotReady("metric_table is not made of the metrics as they are now")
    return stored(project)


def stored(project: Project) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The metric rows and differences that were made last."""
    return (
        pl.read_parquet(project.tables / "metrics.parquet"),
        pl.read_parquet(project.tables / "differences.parquet"),
    )


def build(project: Project, key: Key) -> Product:
    """Estimate every metric of every row with its interval."""
    version = wanted(project, key)
    fresh = not made(project, key, version)
    if fresh:
        _estimate(project, version)
    table, deltas = stored(project)
    facts = {"rows": table.height, "metrics": Table(_wide(table)), "differences": Table(deltas)}
    return Product(version, table.height if fresh else 0, facts)


def _estimate(project: Project, version: str) -> None:
    measured = _measured(project)
    how = project.config.evaluation
    about = {row: _meta(project, row) for row in rows(project)}
    options = {"resamples": how.bootstrap, "seed": how.seed}
    table = metric_rows(measured, about, how.metrics, **options)
    against = control(project)
    deltas = differences(measured, about, against or rows(project)[0], how.metrics, **options)
    for weights, its in project.weights().items():
        current = checkpoint.wanted(project, its.arm)
        published.tell_metrics(project, weights, current, table)
    # The table is written last: its version says that all is there.
    atomic.write_parquet(project.tables / "differences.parquet", deltas, {"version": version})
    atomic.write_parquet(project.tables / "metrics.parquet", table, {"version": version})


def _measured(project: Project) -> Measured:
    how = project.config.evaluation
    detector = networks.detector(project) if how.detector else None
    extractor = networks.extractor(project) if how.extractor else None
    return Measured(
        scores=pl.concat([metrics.scores(project, row) for row in rows(project)]),
        detector=Source(detector.name, detector.digest) if detector else None,
        distances=_distances(project) if reference.keys(project) else {},
        extractor=Source(extractor.name, extractor.digest) if extractor else None,
    )


def _distances(project: Project) -> dict[str, Distance]:
    real = reference.features(project)
    if real is None:
        raise NotReady("reference has no features of the pictures as they are now")
    features = {row: metrics.features(project, row) for row in rows(project)}
    found = {row: its for row, its in features.items() if its is not None}
    return distances(found, real, seed=project.config.evaluation.seed)


def _meta(project: Project, row: str) -> Meta:
    how = project.config.evaluation
    prompt_set = short(prompts_digest(inputs.prompts(project)))
    if row == samples.REAL:
        return Meta(prompt_set)
    drawn: dict[str, Any] = {
        "sampler": "DPMSolverMultistep",
        "steps": how.sampler_steps,
        "cfg": how.guidance,
    }
    if row == samples.BASE:
        return Meta(prompt_set, **drawn)
    weights = project.weights()[row]
    told = checkpoint.card(project, row)
    return Meta(
        prompt_set,
        seed=told["seed"],
        caption_set=json.dumps(
            {k: short(v) for k, v in told["caption_sets"].items()}, sort_keys=True
        ),
        checkpoint=short(told["version"]),
        mix=json.dumps(told["mix"], sort_keys=True),
        arm=weights.arm,
        step=weights.step,
        **drawn,
    )


def _wide(table: pl.DataFrame) -> pl.DataFrame:
    """A row an arm and step, a column a metric, for reading."""
    return table.with_columns(pl.col("value").round(4)).pivot(
        on="metric", index=["arm", "step"], values="value", maintain_order=True
    )


STAGE = Stage(NAME, keys, wanted, made, seen, build)
