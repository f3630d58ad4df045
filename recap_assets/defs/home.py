"""The project's Dagster instance: one DAGSTER_HOME, one history for the command and the UI."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from recap_assets.experiment import atomic
from recap_assets.experiment.project import Project

_SETTINGS = Path(__file__).parents[2] / "dagster.yaml"


def prepare(project: Project) -> Path:
    """The folder that DAGSTER_HOME names, or the project's own, with a dagster.yaml in it."""
    home = Path(os.environ.get("DAGSTER_HOME") or project.dagster_home).absolute()
    settings = home / "dagster.yaml"
    if not settings.exists():
        atomic.write_text(settings, _SETTINGS.read_text(encoding="utf-8"))
    return home


def instance(project: Project) -> dg.DagsterInstance:
    """The instance at `prepare`'s folder; this process and its children use it from now on."""
    home = prepare(project)
    os.environ["DAGSTER_HOME"] = str(home)
    return dg.DagsterInstance.get()
