"""Trained weights in the store: a diffusers folder or LoRA file, its cards and its row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from recap_assets.diffusion import lora
from recap_assets.diffusion.save import save
from recap_assets.experiment import atomic
from recap_assets.experiment.project import Project
from recap_assets.stages import model_card, t2i_base
from recap_assets.stages.arm_captions import arm, caption_sets

if TYPE_CHECKING:
    from recap_assets.diffusion.families.family import Family
    from recap_assets.diffusion.run import Record

Card = dict[str, Any]


def read(folder: Path) -> Card | None:
    """What was written down when the weights in `folder` were trained; None without any."""
    path = folder / "recap.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write(project: Project, weights: str, version: str, model: Family, record: Record) -> None:
    """Publish what `model` has learnt as the weights of that key.

    Raises:
        UserError: if the disk refuses; nothing is left of them then.
    """
    facts = _facts(project, weights, version, record)
    facts |= {"pipeline": type(model.pipeline).__name__, "absent": model.absent(model.modules())}
    place = project.checkpoint(weights, version)
    with atomic.directory(place) as folder:
        (lora.save if project.config.t2i.method == "lora" else save)(model, folder)
        text = json.dumps(facts, indent=1) + "\n"
        (folder / "recap.json").write_text(text, encoding="utf-8", newline="\n")
        (folder / "README.md").write_text(model_card.text(facts), encoding="utf-8", newline="\n")
        _row(place, facts).write_parquet(folder / "row.parquet")


def family(project: Project, weights: str, version: str) -> Family:
    """The published weights of that key, ready to draw.

    Raises:
        UserError: if they are damaged.
    """
    from recap_assets.diffusion.load import load, to_device

    folder = project.checkpoint(weights, version)
    if project.config.t2i.method == "full":
        return to_device(load(folder, resolution=project.config.t2i.resolution))
    adapted = t2i_base.family(project)
    lora.load(adapted, folder)
    return adapted


def tell_metrics(project: Project, weights: str, version: str, table: pl.DataFrame) -> None:
    """Put what was measured of the weights on their card; nothing else of them changes.

    `table` has rows of `evaluation.table.ROWS`.
    """
    place = project.checkpoint(weights, version)
    facts = read(place)
    if facts is not None:
        its = table.filter(pl.col("arm") == facts["arm"], pl.col("step") == facts["step"])
        atomic.write_text(place / "README.md", model_card.text(facts, its))


def _facts(project: Project, weights: str, version: str, record: Record) -> Card:
    key = project.weights()[weights].arm
    mine, t2i = arm(project, key), project.config.t2i
    return {
        "arm": key,
        "version": version,
        "step": record.steps,
        "base_model": t2i.model,
        "base_digest": t2i_base.version(project),
        "mix": mine.arm.mix,
        "train": list(mine.arm.train),
        "seed": mine.seed,
        "caption_sets": caption_sets(project, key),
        "images": record.pictures,
        "dropped": record.dropped,
        "settings": t2i.model_dump(mode="json"),
        "simulated": project.config.world is not None,
        "final_loss": float(np.mean(record.losses[-20:])),
        "losses": record.losses,
        "seconds": record.seconds,
    }


def _row(path: Path, facts: Card) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "arm": [facts["arm"]],
            "seed": [facts["seed"]],
            "digest": [facts["version"]],
            "base_digest": [facts["base_digest"]],
            "mix": [json.dumps(facts["mix"], sort_keys=True)],
            "train": [",".join(facts["train"])],
            "caption_set": [json.dumps(facts["caption_sets"], sort_keys=True)],
            "steps": [facts["step"]],
            "images": [facts["images"]],
            "dropped_over_limit": [facts["dropped"]],
            "final_loss": [facts["final_loss"]],
            "path": [str(path)],
        }
    )
