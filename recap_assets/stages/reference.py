"""Stage `reference`: features of real pictures of the data set, for the Frechet distance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from recap_assets.experiment import atomic
from recap_assets.experiment.fingerprint import digest, seed
from recap_assets.experiment.project import Project
from recap_assets.stages import images, inputs, networks, pictures
from recap_assets.stages.memory import remembered
from recap_assets.stages.stage import Key, Product, Stage

NAME = "reference"
CODE = "1"
PICTURES = 512


def keys(project: Project) -> list[Key]:
    """One, where a Frechet distance is asked for."""
    return [None] if "fid" in project.config.evaluation.metrics else []


@remembered
def wanted(project: Project, key: Key) -> str:
    """The extractor and the chosen pictures."""
    chosen = [row[0] for row in _chosen(project).select("uid").rows()]
    return digest([CODE, networks.extractor_version(project), chosen])


def made(project: Project, key: Key, version: str) -> bool:
    """Whether these features are there."""
    return _path(project, version).exists()


def seen(project: Project, key: Key) -> bool:
    """Whether any reference features are there."""
    return (project.root / "reference").is_dir()


def features(project: Project) -> np.ndarray | None:
    """Features float32 [N, D] of the reference pictures; None while they are not there."""
    from safetensors.numpy import load

    path = _path(project, wanted(project, None))
    return load(path.read_bytes())["features"] if path.exists() else None


def build(project: Project, key: Key) -> Product:
    """Extract the features of up to 512 pictures chosen by a hash of their uid."""
    from safetensors.numpy import save

    version = wanted(project, key)
    fresh = not made(project, key, version)
    chosen = _chosen(project)
    if fresh:
        extractor = networks.extractor(project)
        parts = [
            extractor.extract(pictures.of_shard(project, str(shard[0]), rows, _side(project)))
            for shard, rows in chosen.group_by("shard", maintain_order=True)
        ]
        atomic.write_bytes(_path(project, version), save({"features": np.concatenate(parts)}))
    return Product(
        version=version,
        computed=chosen.height if fresh else 0,
        facts={"pictures": chosen.height, "path": _path(project, version)},
    )


def _chosen(project: Project) -> pl.DataFrame:
    """Index rows of the reference pictures, sorted by shard and uid; prompts' own are left out."""
    held = sorted(inputs.held_out(project))
    columns = ["uid", "shard", "key", "image_sha256", "offset", "size", "status"]
    every = pl.concat(
        [images.usable(project, shard).select(columns) for shard in inputs.shards(project)]
    )
    free = every.filter(~pl.col("image_sha256").is_in(held)).unique("uid", keep="first")
    order = pl.Series("order", [seed("reference", uid) for uid in free["uid"]], pl.Int64)
    return free.with_columns(order).sort("order").head(PICTURES).drop("order").sort("shard", "uid")


def _side(project: Project) -> int:
    """Real pictures are brought to the size of the generated ones, for both are compared."""
    from recap_assets.stages import t2i_base

    return t2i_base.family(project).resolution


def _path(project: Project, version: str) -> Path:
    return project.root / "reference" / f"{version[:12]}.safetensors"


STAGE = Stage(NAME, keys, wanted, made, seen, build)
