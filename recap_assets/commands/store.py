"""The store as it is: questions to it, a snapshot of it, room in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from recap_assets.commands.options import Config, Json, open_project, print_json, shown


def sql(
    query: Annotated[str, typer.Argument(help="A query over the views.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Ask DuckDB: views images, captions, captions_history, caption_stats, quarantine, checkpoints,
    samples, metrics.

    Example: recap sql "SELECT style, avg(n_words) FROM captions GROUP BY style"
    """
    from recap_assets.stages.database import ask

    frame = ask(open_project(config), query)
    if as_json:
        typer.echo(json.dumps(frame.to_dicts(), default=str, ensure_ascii=False))
        return
    from recap_assets.terminal import frame_table

    frame_table(frame)


def compact(
    to: Annotated[Path, typer.Option("--to", help="The Parquet file to write.")],
    config: Config = None,
) -> None:
    """Write the current captions of all shards to one Parquet file: quick to open, a snapshot.

    Example: recap compact --to captions.parquet
    """
    from recap_assets.stages import database

    rows = database.compact(open_project(config), to)
    typer.echo(f"{rows:,} captions in {shown(to.absolute())}")


def gc(
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it only say what.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say, and with --yes delete, what nothing asks for any more: old recipes, weights, samples.

    Example: recap gc --yes
    """
    from recap_assets.stages import gc as collecting
    from recap_assets.terminal_plan import show_garbage

    project = open_project(config)
    found = collecting.find(project)
    if as_json:
        print_json([{"path": str(g.path), "reason": g.reason, "bytes": g.size} for g in found])
    else:
        show_garbage(found, project.root)
    if yes:
        freed = collecting.drop(found)
        typer.echo(f"freed {freed:,} bytes", err=as_json)
