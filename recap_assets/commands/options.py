"""What commands share: options, opening the project, running stages, printing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from recap_assets.experiment.project import Project

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="The recap.yaml to use; else RECAP_CONFIG, else this folder's."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        "-w",
        min=1,
        help="Processes that share the partitions of an asset; by default one on a GPU, else one "
        "for each core, up to four.",
    ),
]
Refreshed = Annotated[
    str,
    typer.Option(
        "--refresh",
        help="Captions to make again: stale (what changed), errors (what failed too), all.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def open_project(config: Path | None) -> Project:
    """The project; runs in this process open the same one."""
    import os

    from recap_assets.experiment.project import VARIABLE, Project

    project = Project.open(config)
    os.environ[VARIABLE] = str(project.file)
    return project


def run_stages(
    project: Project, select: str | None, *, quiet: bool, workers: int | None = None
) -> Any:
    """Bring the selected stages up to date, shown in the terminal; the `execute.Outcome`."""
    from recap_assets.defs import home
    from recap_assets.defs.execute import bring_up_to_date
    from recap_assets.stages.graph import select as selected
    from recap_assets.terminal import watching

    stages = selected(select)
    with home.instance(project) as instance, watching(quiet) as watch:
        return bring_up_to_date(project, instance, stages, watch, workers)


def print_json(found: Any) -> None:
    """Print for a program to read."""
    typer.echo(json.dumps(found, indent=1, ensure_ascii=False))


def shown(path: Path) -> str:
    """Relative to the current folder where it lies below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
