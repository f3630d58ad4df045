"""What the command shows of plans and of what may be deleted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from recap_assets.stages.gc import Garbage
from recap_assets.stages.plan import Forecast

_MOST = 20


def as_record(found: Forecast) -> dict[str, Any]:
    """A forecast as JSON says it."""
    return {
        "rows_to_caption": found.rows_to_caption,
        "rows_reused": found.rows_reused,
        "styles": {
            style: {
                "rows_to_caption": mine.rows_to_caption,
                "rows_reused": mine.rows_reused,
                "reasons": dict(mine.reasons),
                "seconds": mine.seconds,
            }
            for style, mine in found.styles.items()
        },
        "shards": found.shards,
        "captioners_to_tune": found.captioners_to_tune,
        "arms_to_train": found.arms_to_train,
        "problems": found.problems,
        "seconds": found.seconds,
    }


def show(found: Forecast) -> None:
    """A forecast as tables: styles, then shards, captioners and arms."""
    console = Console()
    console.print(_styles(found))
    _list(console, "shards to read or caption", found.shards)
    _list(console, "captioners to tune", {name: "" for name in found.captioners_to_tune})
    _list(console, "arms to train", found.arms_to_train)
    for problem in found.problems:
        console.print(problem, style="red", markup=False)
    if found.seconds:
        console.print(
            f"captions and arms: {_time(found.seconds)} of work by past rates, shared by processes"
        )
    elif found.seconds is None:
        console.print("how long is not known: some of it was never done here")


def show_garbage(found: Sequence[Garbage], root: Path) -> None:
    """What may be deleted, largest first, and the sum of each reason."""
    table = Table("size", "what", "why", box=None, header_style="bold")
    for one in sorted(found, key=lambda one: -one.size)[:_MOST]:
        table.add_row(decimal(one.size), _below(one.path, root), one.reason)
    Console().print(table)
    if len(found) > _MOST:
        Console().print(f"and {len(found) - _MOST} more")
    Console().print(f"{decimal(sum(one.size for one in found))} that nothing asks for")


def _styles(found: Forecast) -> Table:
    table = Table("style", "to caption", "reused", "why", box=None, header_style="bold")
    for style, mine in found.styles.items():
        why = ", ".join(f"{n:,} {reason}" for reason, n in Counter(mine.reasons).most_common())
        table.add_row(style, f"{mine.rows_to_caption:,}", f"{mine.rows_reused:,}", why)
    return table


def _list(console: Console, title: str, entries: dict[str, str]) -> None:
    console.print(f"{title}: {len(entries) or 'none'}", style="bold")
    for name, reason in list(entries.items())[:_MOST]:
        console.print(f"  {name}  {reason}".rstrip(), markup=False)
    if len(entries) > _MOST:
        console.print(f"  and {len(entries) - _MOST} more")


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{max(1, minutes)} min"
