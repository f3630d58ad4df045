"""The command `recap`: every step of the pipeline from a terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recap_assets.experiment.errors import UserError

if TYPE_CHECKING:
    from recap_assets.experiment.project import Project

app = typer.Typer(
    name="recap",
    help="Recaption images, train text-to-image models on the captions, measure what they bought.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="The recap.yaml to use; else RECAP_CONFIG, else this folder's."
    ),
]
#: What Typer makes of Ctrl-C.
_STOPPED = 130
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


def main() -> None:
    """Run the command; a user's mistake ends it with one line and exit code 2, Ctrl-C with 130."""
    try:
        app()
    except UserError as error:
        typer.echo(f"recap: {error}", err=True)
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == _STOPPED:
            typer.echo("recap: stopped; what was finished is kept", err=True)
        raise


@app.command()
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
    typer.echo(f"wrote {_shown(written[0])}{more}; next: recap run")


@app.command()
def sync(config: Config = None, as_json: Json = False) -> None:
    """Register new tars as shards, forget those that are gone, draw the default world.

    Example: recap sync
    """
    from recap_assets.defs import home
    from recap_assets.defs import sync as syncing

    project = _open(config)
    with home.instance(project) as instance:
        found = syncing.sync(project, instance)
    if as_json:
        _print_json({"added": found.added, "removed": found.removed})
    else:
        typer.echo(f"{len(found.added)} shards added, {len(found.removed)} removed")


@app.command()
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
    from recap_assets.stages.refresh import refreshing

    with refreshing(_refresh(refresh)):
        outcome = _run(_open(config), select, quiet=as_json, workers=workers)
    if as_json:
        _print_json(_outcome(outcome))
    sys.exit(1 if outcome.failed or outcome.waiting else 0)


@app.command()
def status(config: Config = None, as_json: Json = False) -> None:
    """Where every partition stands and why, computed from content.

    Example: recap status --json
    """
    from dataclasses import asdict

    from recap_assets.stages import status as statuses
    from recap_assets.stages.memory import remembering

    with remembering():
        rows = [asdict(one) for one in statuses.every(_open(config))]
    if as_json:
        _print_json(rows)
        return
    from recap_assets.terminal import status_table

    status_table(rows)


@app.command()
def plan(
    refresh: Refreshed = "stale",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """What a run would caption and train, why, and how long by past rates; nothing is done.

    Example: recap plan --refresh errors
    """
    from recap_assets.stages import plan as planning
    from recap_assets.stages.refresh import refreshing
    from recap_assets.terminal import progress, silent
    from recap_assets.terminal_plan import as_record, show

    project = _open(config)
    with refreshing(_refresh(refresh)), silent() if as_json else progress():
        found = planning.forecast(project)
    _print_json(as_record(found)) if as_json else show(found)
    sys.exit(1 if found.problems else 0)


@app.command()
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

    project = _open(config)
    found = collecting.find(project)
    if as_json:
        _print_json([{"path": str(g.path), "reason": g.reason, "bytes": g.size} for g in found])
    else:
        show_garbage(found, project.root)
    if yes:
        freed = collecting.drop(found)
        typer.echo(f"freed {freed:,} bytes", err=as_json)


@app.command()
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

    frame = ask(_open(config), query)
    if as_json:
        typer.echo(json.dumps(frame.to_dicts(), default=str, ensure_ascii=False))
        return
    from recap_assets.terminal import frame_table

    frame_table(frame)


@app.command()
def compact(
    to: Annotated[Path, typer.Option("--to", help="The Parquet file to write.")],
    config: Config = None,
) -> None:
    """Write the current captions of all shards to one Parquet file: quick to open, a snapshot.

    Example: recap compact --to captions.parquet
    """
    from recap_assets.stages import database

    rows = database.compact(_open(config), to)
    typer.echo(f"{rows:,} captions in {_shown(to.absolute())}")


@app.command()
def report(config: Config = None) -> None:
    """Render the page again if anything changed, and say where it is.

    Example: recap report
    """
    from recap_assets.stages import report as reporting

    project = _open(config)
    outcome = _run(project, reporting.NAME, quiet=True)
    for failed in outcome.failed:
        raise UserError(failed.error or "the report failed")
    for waiting in outcome.waiting:
        raise UserError(f"report: {waiting.reason}; `recap run` brings everything up to date")
    typer.echo(_shown(reporting.page(project)))


@app.command()
def export(
    to: Annotated[Path, typer.Option(help="The folder to write; new or empty.")],
    form: Annotated[
        str, typer.Option("--format", "-f", help="webdataset, parquet, kohya or wide.")
    ] = "webdataset",
    style: Annotated[
        str | None, typer.Option(help="Whose captions to show; needed where there are several.")
    ] = None,
    arm: Annotated[
        str | None, typer.Option(help="Show what this arm draws, for example mix-both-s0.")
    ] = None,
    epoch: Annotated[int, typer.Option(min=0, help="The epoch that the arm draws for.")] = 0,
    styles: Annotated[
        str | None, typer.Option(help="Styles to write, comma-separated; all without it.")
    ] = None,
    keep_failed: Annotated[
        bool, typer.Option("--keep-failed", help="Keep pictures without a good caption, as empty.")
    ] = False,
    keep_duplicates: Annotated[
        bool, typer.Option("--keep-duplicates", help="Keep pictures that come several times.")
    ] = False,
    held_out: Annotated[
        bool, typer.Option("--include-held-out", help="Export evaluation pictures too.")
    ] = False,
    extension: Annotated[str, typer.Option(help="Of kohya's text files.")] = ".txt",
    license_: Annotated[
        str, typer.Option("--license", help="Licence id for the data card of parquet.")
    ] = "other",
    source_license: Annotated[
        str | None, typer.Option(help="Licence of the pictures, for the card.")
    ] = None,
    language: Annotated[str, typer.Option(help="Language code for the card.")] = "en",
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write the captions as they are now for another trainer, with or beside the pictures.

    Example: recap export --format kohya --style long --to out
    """
    from dataclasses import asdict

    from recap_assets.captions.export.card import Terms
    from recap_assets.stages import export as exporting
    from recap_assets.terminal import export_counts, watching

    request = exporting.Request(
        format=form,
        to=to,
        style=style,
        arm=arm,
        epoch=epoch,
        styles=tuple(name.strip() for name in styles.split(",")) if styles else (),
        keep_failed=keep_failed,
        keep_duplicates=keep_duplicates,
        held_out=held_out,
        force=force,
        extension=extension,
        terms=Terms(license_, source_license, language),
    )
    with watching(quiet=as_json):
        counts = exporting.export(_open(config), request)
    if as_json:
        _print_json(asdict(counts))
    else:
        export_counts(counts, _shown(to))


@app.command()
def demo(config: Config = None, workers: Workers = None) -> None:
    """Run the whole loop on the default world and print what recaptioning bought.

    Example: recap demo
    """
    from recap_assets.stages import report as reporting
    from recap_assets.stages import table
    from recap_assets.terminal import metric_tables

    project = _open(config)
    outcome = _run(project, None, quiet=False, workers=workers)
    if outcome.failed or outcome.waiting:
        sys.exit(1)
    metric_tables(*table.stored(project), simulated=project.config.world is not None)
    typer.echo(f"report: {_shown(reporting.page(project))}\nmake ui shows how it came about")


@app.command()
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


@app.command(hidden=True)
def home(config: Config = None) -> None:
    """Print the project's DAGSTER_HOME, for `make ui`."""
    from recap_assets.defs.home import prepare

    typer.echo(prepare(_open(config)))


def _open(config: Path | None) -> Project:
    """The project; runs in this process open the same one."""
    import os

    from recap_assets.experiment.project import VARIABLE, Project

    project = Project.open(config)
    os.environ[VARIABLE] = str(project.file)
    return project


def _run(project: Project, select: str | None, *, quiet: bool, workers: int | None = None) -> Any:
    from recap_assets.defs import home
    from recap_assets.defs.execute import bring_up_to_date
    from recap_assets.stages.graph import select as selected
    from recap_assets.terminal import watching

    stages = selected(select)
    with home.instance(project) as instance, watching(quiet) as watch:
        return bring_up_to_date(project, instance, stages, watch, workers)


def _refresh(how: str) -> Any:
    from recap_assets.captions.plan import check_refresh

    return check_refresh(how)


def _outcome(outcome: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "ran": [asdict(one) for one in outcome.ran],
        "fresh": outcome.fresh,
        "waiting": [asdict(one) for one in outcome.waiting],
    }


def _print_json(found: Any) -> None:
    typer.echo(json.dumps(found, indent=1, ensure_ascii=False))


def _shown(path: Path) -> str:
    """Relative to the current folder where it lies below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
