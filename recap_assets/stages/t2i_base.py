"""The text-to-image model that every arm starts from: where it is and what identifies it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recap_assets.diffusion import identity
from recap_assets.diffusion import load as loading
from recap_assets.diffusion.tokenizer import tokenizer
from recap_assets.experiment.fingerprint import model_digest
from recap_assets.experiment.project import Project
from recap_assets.stages.memory import remembered

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from recap_assets.diffusion.families.family import Family


def reference(project: Project) -> Path | str:
    """Its folder or hub id."""
    return project.model(project.config.t2i.model)


@remembered
def version(project: Project) -> str:
    """64 hex digits of its weights and settings."""
    return model_digest(reference(project), project.config.t2i.revision)


@remembered
def latents_version(project: Project) -> str:
    """64 hex digits of its autoencoder and of the size of its pictures."""
    t2i = project.config.t2i
    return identity.latents_digest(reference(project), t2i.revision, t2i.resolution)


@remembered
def texts_version(project: Project) -> str:
    """64 hex digits of its text encoders and how they read; see `diffusion.text_cache`."""
    t2i = project.config.t2i
    return identity.texts_digest(reference(project), t2i.revision, t2i.precision)


def words(project: Project) -> PreTrainedTokenizerBase:
    """The tokenizer that says how much of a caption it reads; see `diffusion.tokenizer`."""
    return tokenizer(reference(project), project.config.t2i.revision)


def words_version(project: Project) -> str:
    """What decides how `words` counts."""
    return identity.tokenizer_digest(reference(project), project.config.t2i.revision)


def family(project: Project) -> Family:
    """A fresh copy of it, for training or sampling."""
    t2i = project.config.t2i
    found = loading.load(reference(project), t2i.revision, t2i.resolution)
    return loading.to_device(found)
