"""A project on disk: its settings, and where each artifact lies below its root."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Self

from recap_assets.experiment.config import Config
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import short
from recap_assets.experiment.keys import ALT, step_key
from recap_assets.experiment.load import load_config
from recap_assets.experiment.models import resolve
from recap_assets.experiment.t2i_settings import Arm

FILE = "recap.yaml"
VARIABLE = "RECAP_CONFIG"
_BELOW_ROOT = "root://"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class ArmSeed(NamedTuple):
    """What an arm's key stands for: the arm and one of its seeds."""

    name: str
    arm: Arm
    seed: int


class Weights(NamedTuple):
    """Trained weights: the arm's key, and how many steps they were trained for."""

    arm: str
    step: int


@dataclass(frozen=True)
class Project:
    """A recap.yaml and the store below its root.

    Methods that take a digest take it whole or as its first 12 digits.
    """

    config: Config
    file: Path
    root: Path

    @classmethod
    def open(cls, path: Path | str | None = None) -> Self:
        """Open the recap.yaml at `path`, else where RECAP_CONFIG says, else in this folder.

        A folder stands for the recap.yaml in it.

        Raises:
            UserError: if there is none, or it is wrong.
        """
        file = Path(path or os.environ.get(VARIABLE) or FILE).expanduser()
        file = file / FILE if file.is_dir() else file
        if not file.is_file():
            raise UserError(
                f"{file}: no such file; `recap init` writes one, or name yours in {VARIABLE}"
            )
        config = load_config(file)
        if _SCHEME.match(config.root):
            raise UserError(
                f"{file}: root: {config.root!r} is no local folder; mount it and name the mount"
            )
        file = file.absolute()
        return cls(config, file, file.parent / Path(config.root).expanduser())

    def style_names(self) -> list[str]:
        """Every style that has captions: `alt` first, then those of the file in its order."""
        return [ALT, *self.config.styles]

    def arm_keys(self) -> dict[str, ArmSeed]:
        """Each arm's key, such as "mix-both-s0", and what it stands for, in the file's order."""
        return {
            arm.key(name, seed): ArmSeed(name, arm, seed)
            for name, arm in self.config.arms.items()
            for seed in arm.seeds
        }

    def weights(self) -> dict[str, Weights]:
        """All weights that training keeps: an arm's key stands for those after its last step, keys
        such as "mix-both-s0-step100" for those on the way; an arm's own first, then by step."""
        t2i = self.config.t2i
        return {
            key: Weights(arm, step)
            for arm in self.arm_keys()
            for key, step in [
                (arm, t2i.steps),
                *((step_key(arm, step), step) for step in t2i.on_the_way),
            ]
        }

    def locate(self, ref: str) -> str:
        """Where a path or pattern of recap.yaml points.

        "root://x" is x below the root, another URL stays as it is, and the rest is relative to the
        file's folder. Brace ranges and globs pass through.

        Raises:
            UserError: if a root:// reference climbs out of the root.
        """
        if ref.startswith(_BELOW_ROOT):
            below = PurePosixPath(ref.removeprefix(_BELOW_ROOT).lstrip("/"))
            if ".." in below.parts:
                raise UserError(f"{ref}: leaves the root; write the path without '..'")
            return str(self.root / below)
        if _SCHEME.match(ref):
            return ref
        return str(self.file.parent / Path(ref).expanduser())

    def model(self, ref: str) -> Path | str:
        """The folder or hub id of a model that recap.yaml names; see `models.resolve`."""
        return resolve(ref, self.file.parent)

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps the history of this project."""
        return self.root / "dagster"

    @property
    def images(self) -> Path:
        """The folder of the image indexes."""
        return self.root / "images"

    @property
    def captions(self) -> Path:
        """The folder of the caption rows, style=.../recipe=.../<shard>.parquet."""
        return self.root / "captions"

    @property
    def tables(self) -> Path:
        """The folder of the metric tables."""
        return self.root / "tables"

    @property
    def report(self) -> Path:
        """The folder of the report."""
        return self.root / "report"

    @property
    def database(self) -> Path:
        """The DuckDB file with the views."""
        return self.root / "recap.duckdb"

    def image_index(self, shard: str) -> Path:
        """The index of one shard."""
        return self.images / f"{shard}.parquet"

    def human_captions(self, style: str) -> Path:
        """The human captions of one style."""
        return self.root / "human" / f"{style}.parquet"

    def captioner(self, name: str, digest: str) -> Path:
        """The folder of a fine-tuned captioner."""
        return self.root / "captioners" / name / short(digest)

    def recaptions(self, style: str, recipe: str, shard: str) -> Path:
        """The caption rows of one style, recipe and shard."""
        return self.captions / f"style={style}" / f"recipe={short(recipe)}" / f"{shard}.parquet"

    def manifest(self, style: str, digest: str) -> Path:
        """The exact caption set of a style."""
        return self.root / "manifests" / style / f"{short(digest)}.parquet"

    def audit(self, style: str, digest: str) -> Path:
        """The audit of a style's caption set."""
        return self.root / "audit" / style / f"{short(digest)}.json"

    def latents(self, digest: str, shard: str) -> Path:
        """The latents of one shard; the digest names the autoencoder and the size of pictures."""
        return self.root / "latents" / short(digest) / f"{shard}.safetensors"

    def texts(self, digest: str) -> Path:
        """The embeddings of captions; the digest names the text encoders that made them."""
        return self.root / "texts" / short(digest)

    def checkpoint(self, weights: str, digest: str) -> Path:
        """The folder of trained weights; `weights` is their key, the digest that of the arm.

        Those on the way lie beside their arm's, such as `checkpoints/mix-both-s0-step100/`, so that
        the arm's folder is the same whatever else is kept.
        """
        return self.root / "checkpoints" / weights / short(digest)

    def training(self, arm: str, digest: str) -> Path:
        """The saved state of an arm's training that is not finished."""
        return self.root / "training" / arm / f"{short(digest)}.safetensors"

    def samples(self, arm: str, digest: str) -> Path:
        """The folder of an arm's sampled pictures."""
        return self.root / "samples" / arm / short(digest)

    def metrics(self, arm: str, digest: str) -> Path:
        """The folder of an arm's scores."""
        return self.root / "metrics" / arm / short(digest)
