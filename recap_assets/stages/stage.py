"""What every stage has in common: its keys, the version a partition should have, how it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from recap_assets.experiment.project import Project

State = Literal["fresh", "stale", "missing", "failed"]
#: A partition key, or None for a stage without partitions.
Key = str | None


class NotReady(Exception):
    """An input of a partition is not there yet; the text says which one."""


@dataclass(frozen=True)
class Markdown:
    """Text that a page shows formatted."""

    text: str


@dataclass(frozen=True)
class Table:
    """A small table to look at."""

    frame: pl.DataFrame


@dataclass(frozen=True)
class Check:
    """Whether what was built is fit for use by one measure.

    values: what was measured, by style or other part, to follow over time.
    reason: why it is not fit, in one line; None where it is.
    hard: whether training must stop for it; else it is a warning.
    """

    name: str
    values: dict[str, float]
    reason: str | None
    hard: bool


@dataclass(frozen=True)
class Product:
    """What building a partition gave.

    version: decided by content or, for weights, by everything that made them.
    computed: rows, pictures or steps done just now; 0 where all was there already.
    facts: numbers, texts, paths, `Markdown` and `Table` to show beside it.
    checks: the checks that its asset has, all of them.
    """

    version: str
    computed: int
    facts: dict[str, Any] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()


#: Why a partition that was made before is to be made again, where there is no more to say.
CHANGED = "its inputs or settings changed"


def changed(project: Project, key: Key, version: str) -> str:
    """The reason of most stages."""
    return CHANGED


@dataclass(frozen=True)
class Stage:
    """One asset of the graph.

    wanted: the version that the partition should have, from its inputs' content and the settings.
        Raises NotReady while an input is missing.
    made: whether the store holds that version; `seen` whether it holds any.
    build: make it, or find that it is made; raises UserError or NotReady.
    lacks: why the store does not hold the version that was wanted, in one line.
    """

    name: str
    keys: Callable[[Project], list[Key]]
    wanted: Callable[[Project, Key], str]
    made: Callable[[Project, Key, str], bool]
    seen: Callable[[Project, Key], bool]
    build: Callable[[Project, Key], Product]
    lacks: Callable[[Project, Key, str], str] = changed


@dataclass(frozen=True)
class Status:
    """Where a partition stands, and why."""

    asset: str
    partition: Key
    state: State
    reason: str


def only(project: Project) -> list[Key]:
    """The keys of a stage without partitions."""
    return [None]


def named(key: Key) -> str:
    """The key of a partition, where a stage cannot do without."""
    if key is None:
        raise ValueError("this stage is partitioned: a key is needed")
    return key
