"""What the graph starts from and does not make: base models and the prompt set, observed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg

from recap_assets.experiment.fingerprint import file_sha256
from recap_assets.experiment.project import Project
from recap_assets.stages import captioner, inputs, networks, t2i_base


def external_assets() -> list[Any]:
    """Observable assets whose data version is the hash of their content."""
    return [
        _observed("base_captioner", "The captioning models before fine-tuning.", _captioners),
        _observed(
            "base_t2i", "The text-to-image model that every arm starts from.", t2i_base.version
        ),
        _observed("detector", "The object detector that measures pictures.", _detector),
        _observed("eval_prompts", "The held-out prompts with their real pictures.", _prompts),
    ]


def _observed(name: str, description: str, version: Callable[[Project], str]) -> Any:
    @dg.observable_source_asset(name=name, description=description, group_name="inputs")
    def observe() -> dg.DataVersion:
        return dg.DataVersion(version(Project.open()))

    return observe


def _captioners(project: Project) -> str:
    names = project.config.captioners
    return "+".join(captioner.base_digest(project, name)[:12] for name in names) or "none"


def _detector(project: Project) -> str:
    return networks.detector_version(project) or "none"


def _prompts(project: Project) -> str:
    file = inputs.prompts_file(project)
    return "none" if file is None else file_sha256(file)
