"""What the command shows in a terminal: progress, status, tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from recap_assets.captions.export.selection import Counts
from recap_assets.stages.progress import Listener, listening

_STATES = {"fresh": "green", "stale": "yellow", "missing": "dim", "failed": "red"}
_BETTER = {"ca": "\N{DOWNWARDS ARROW}", "fid": "\N{DOWNWARDS ARROW}"}
_UP = "\N{UPWARDS ARROW}"


@contextmanager
def progress() -> Iterator[Listener]:
    """A bar for one piece of work after the other, on standard error."""
    with _bar() as bar:
        task = bar.add_task("")

        def tell(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        with listening(tell):
            yield tell


@contextmanager
def watching(quiet: bool) -> Iterator[Callable[[str, str | None, Any], None]]:
    """Shows which partition is built and how far it is, and a line for each that is done."""
    if quiet:
        yield lambda asset, key, ran: None
        return
    with _bar() as bar:
        task = bar.add_task("looking at what changed")

        def tell(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        def watch(asset: str, key: str | None, ran: Any) -> None:
            name = asset if key is None else f"{asset}[{key}]"
            bar.update(task, description=name, completed=0, total=None)
            if ran is not None and ran.error:
                bar.console.print(f"failed  {name}: {ran.error}", style="red", markup=False)
            elif ran is not None:
                bar.console.print(f"made    {name} ({ran.computed:,} computed)", markup=False)
                for warning in ran.warnings:
                    bar.console.print(f"warning {name}: {warning}", style="yellow", markup=False)

        with listening(tell):
            yield watch


def _bar() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def status_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """A line per partition; partitions of an asset that are all fresh share one."""
    table = Table("asset", "partition", "state", "reason", box=None, header_style="bold")
    assets = list(dict.fromkeys(row["asset"] for row in rows))
    for asset in assets:
        mine = [row for row in rows if row["asset"] == asset]
        if all(row["state"] == "fresh" for row in mine) and len(mine) > 1:
            table.add_row(asset, f"all {len(mine)}", "[green]fresh[/]", "up to date")
            continue
        for row in mine:
            color = _STATES[row["state"]]
            state = f"[{color}]{row['state']}[/]"
            table.add_row(asset, row["partition"] or "", state, _plain(row["reason"]))
    Console().print(table)


def export_counts(counts: Counts, folder: str) -> None:
    """What an export wrote and what it left out, a line each."""
    lines = {
        f"pictures exported to {folder}": counts.exported,
        "of these without a caption": counts.without_caption,
        "left out: cannot be used": counts.unusable,
        "left out: held out for evaluation": counts.held_out,
        "left out: repeated": counts.repeated,
        **{f"left out: caption {reason}": count for reason, count in counts.failed.items()},
    }
    for what, count in lines.items():
        if count:
            Console().print(f"{count:>9,}  {what}", markup=False, highlight=False, soft_wrap=True)


def frame_table(frame: pl.DataFrame) -> None:
    """The answer to a query."""
    table = Table(*frame.columns, box=None, header_style="bold")
    for row in frame.iter_rows():
        table.add_row(*(_plain("" if cell is None else str(cell)) for cell in row))
    Console().print(table)


def metric_tables(metrics: pl.DataFrame, differences: pl.DataFrame, *, simulated: bool) -> None:
    """The metric table and the differences to the control, with 95 % intervals."""
    console = Console()
    console.print(_by_arm(metrics, "value", "What the captions bought, with 95 % intervals"))
    if differences.height:
        title = f"The same minus {differences['control'][0]}, paired over prompts"
        console.print(_by_arm(differences, "delta", title))
    if simulated:
        console.print("Pictures and human captions of this world are drawn and simulated.")


def _by_arm(frame: pl.DataFrame, value: str, title: str) -> Table:
    """A row an arm, a column a metric."""
    names = list(dict.fromkeys(frame["metric"]))
    table = Table(title=title, box=None, title_justify="left", pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("arm", no_wrap=True)
    for name in names:
        heading = f"{name} {_BETTER.get(name, _UP)}".replace("exact_", "exact\n")
        table.add_column(heading, justify="right", no_wrap=True)
    for (arm,), rows in frame.group_by("arm", maintain_order=True):
        cells = {row["metric"]: _cell(row, row[value]) for row in rows.iter_rows(named=True)}
        table.add_row(str(arm), *(cells.get(name, "") for name in names))
    return table


def _cell(row: Mapping[str, Any], value: float) -> str:
    if row["ci_low"] is None:
        return f"{value:.3f}"
    return f"{value:.3f}\n[dim]{row['ci_low']:.2f} {row['ci_high']:.2f}[/]"


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
