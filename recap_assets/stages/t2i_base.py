"""The text-to-image model that every arm starts from: where it is and what identifies it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recap_assets.diffusion import load as loading
from recap_assets.experiment.project import Project
from recap_assets.stages.memory import remembered

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline


def reference(project: Project) -> Path | str:
    """Its folder or hub id."""
    return project.model(project.config.t2i.model)


@remembered
def version(project: Project) -> str:
    """64 hex digits of its weights and settings."""
    return loading.model_digest(reference(project), project.config.t2i.revision)


@remembered
def latents_version(project: Project) -> str:
    """64 hex digits of its autoencoder and of the size of its pictures."""
    return loading.latents_digest(reference(project), project.config.t2i.revision)


def pipeline(project: Project) -> StableDiffusionPipeline:
    """A fresh copy of it, for training or sampling."""
    found = loading.load(reference(project), project.config.t2i.revision)
    return loading.to_device(found)
