"""What training keeps beside its checkpoints and nothing asks for any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import short
from recap_assets.experiment.project import Project
from recap_assets.stages import checkpoint, inputs, t2i_base
from recap_assets.stages.stage import NotReady

#: Files and folders, each with a reason.
Found = Iterator[tuple[Path, str]]


def trainings(project: Project) -> Found:
    """Saves of trainings that nobody goes on with."""
    for path in sorted((project.root / "training").glob("*/*.safetensors")):
        key = path.parent.name
        if key not in project.arm_keys():
            yield path, f"recap.yaml has no arm {key!r}"
            continue
        with suppress(NotReady, UserError):
            version = checkpoint.wanted(project, key)
            if path.stem != short(version):
                yield path, f"a training of {key} with other captions or settings"
            elif checkpoint.made(project, key, version):
                yield path, f"a training of {key}, which is finished"


def latents(project: Project) -> Found:
    """Latents that no shard has, or another autoencoder made."""
    current = short(t2i_base.latents_version(project))
    for folder in sorted((project.root / "latents").glob("*")):
        if folder.name != current:
            yield folder, "latents of another autoencoder"
    for path in sorted((project.root / "latents" / current).glob("*.safetensors")):
        if path.stem not in inputs.shards(project):
            yield path, "latents of a shard that is gone"


def texts(project: Project) -> Found:
    """Embeddings of captions that other text encoders made."""
    current = short(t2i_base.texts_version(project))
    for folder in sorted((project.root / "texts").glob("*")):
        if folder.name != current:
            yield folder, "embeddings of captions by other text encoders"
