"""A project and where it stands: init, sync, status."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recap_assets.commands.options import Config, Json, open_project, print_json, shown


def init(
    patterns: Annotated[
        list[str],
        typer.Argument(help="Tars, Parquet, globs, brace ranges, URLs, a folder, or a COCO JSON."),
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace an existing recap.yaml.")] = False,
) -> None:
    """Look at pictures in any format and write a recap.yaml for them here.

    Example: recap init 'shards/{00000..00099}.tar'
    """
    from recap_assets.stages import init as starting

    draft = starting.draft(patterns, Path.cwd())
    written = starting.write(draft, Path.cwd(), force)
    for line in draft.decisions:
        typer.echo(line)
    more = f" and {len(written) - 1} files of prompts" if len(written) > 1 else ""
    typer.echo(f"wrote {shown(written[0])}{more}; next: recap run")


def sync(config: Config = None, as_json: Json = False) -> None:
    """Register new tars as shards, forget those that are gone, draw the default world.

    Example: recap sync
    """
    from recap_assets.defs import home
    from recap_assets.defs import sync as syncing

    project = open_project(config)
    with home.instance(project) as instance:
        found = syncing.sync(project, instance)
    if as_json:
        print_json({"added": found.added, "removed": found.removed})
    else:
        typer.echo(f"{len(found.added)} shards added, {len(found.removed)} removed")


def status(config: Config = None, as_json: Json = False) -> None:
    """Where every partition stands and why, computed from content.

    Example: recap status --json
    """
    from dataclasses import asdict

    from recap_assets.stages import status as statuses
    from recap_assets.stages.memory import remembering

    with remembering():
        rows = [asdict(one) for one in statuses.every(open_project(config))]
    if as_json:
        print_json(rows)
        return
    from recap_assets.terminal import status_table

    status_table(rows)


def home(config: Config = None) -> None:
    """Print the project's DAGSTER_HOME, for `make ui`."""
    from recap_assets.defs.home import prepare

    typer.echo(prepare(open_project(config)))
