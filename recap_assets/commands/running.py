"""Building assets, and what that would cost: plan, run, report, demo, pretrain."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from recap_assets.commands.options import (
    Config,
    Json,
    Refreshed,
    Workers,
    open_project,
    print_json,
    run_stages,
    shown,
)
from recap_assets.experiment.errors import UserError


def plan(
    refresh: Refreshed = "stale",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """What a run would caption and train, why, and how long by past rates; nothing is done.

    Example: recap plan --refresh errors
    """
    from recap_assets.captions.plan import check_refresh
    from recap_assets.stages import plan as planning
    from recap_assets.stages.refresh import refreshing
    from recap_assets.terminal import progress
    from recap_assets.terminal_plan import as_record, show

    project = open_project(config)
    with refreshing(check_refresh(refresh)), nullcontext() if as_json else progress():
        found = planning.forecast(project)
    print_json(as_record(found)) if as_json else show(found)
    sys.exit(1 if found.problems else 0)


def run(
    select: Annotated[
        str | None, typer.Option("--select", "-s", help="Assets, comma-separated; all without it.")
    ] = None,
    refresh: Refreshed = "stale",
    config: Config = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Bring every asset, or the selected ones, up to date; what is up to date costs nothing.

    Example: recap run --select images,recaptions
    """
    from recap_assets.captions.plan import check_refresh
    from recap_assets.stages.refresh import refreshing

    with refreshing(check_refresh(refresh)):
        outcome = run_stages(open_project(config), select, quiet=as_json, workers=workers)
    if as_json:
        print_json(_outcome(outcome))
    sys.exit(1 if outcome.failed or outcome.waiting else 0)


def report(config: Config = None) -> None:
    """Render the page again if anything changed, and say where it is.

    Example: recap report
    """
    from recap_assets.stages import report as reporting

    project = open_project(config)
    outcome = run_stages(project, reporting.NAME, quiet=True)
    for failed in outcome.failed:
        raise UserError(failed.error or "the report failed")
    for waiting in outcome.waiting:
        raise UserError(f"report: {waiting.reason}; `recap run` brings everything up to date")
    typer.echo(shown(reporting.page(project)))


def demo(config: Config = None, workers: Workers = None) -> None:
    """Run the whole loop on the default world and print what recaptioning bought.

    Example: recap demo
    """
    from recap_assets.stages import report as reporting
    from recap_assets.stages import table
    from recap_assets.terminal import metric_tables

    project = open_project(config)
    outcome = run_stages(project, None, quiet=False, workers=workers)
    if outcome.failed or outcome.waiting:
        sys.exit(1)
    metric_tables(*table.stored(project), simulated=project.config.world is not None)
    typer.echo(f"report: {shown(reporting.page(project))}\nmake ui shows how it came about")


def pretrain(
    folder: Annotated[
        Path | None, typer.Option(help="Where to write; data/base by default.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="autoencoder, t2i, captioner or detector; all without it.")
    ] = None,
    scale: Annotated[float, typer.Option(help="Share of the full number of steps.")] = 1.0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the models that are there.")
    ] = False,
) -> None:
    """Make the base models of data/base from scenes that no project contains (hours on two cores).

    Example: recap pretrain --scale 0.01 --folder /tmp/base
    """
    from recap_assets.experiment.models import base_folder
    from recap_assets.scenes.pretrain.every import make
    from recap_assets.terminal import progress

    with progress() as tell:
        make(folder or base_folder(), only, scale, tell, resume)


def _outcome(outcome: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "ran": [asdict(one) for one in outcome.ran],
        "fresh": outcome.fresh,
        "waiting": [asdict(one) for one in outcome.waiting],
    }
