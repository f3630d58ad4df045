"""Runs one stage inside a Dagster step and tells Dagster what came of it."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from recap_assets.defs.pipes import through_pipes
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.project import Project
from recap_assets.stages import failures
from recap_assets.stages.memory import remembering
from recap_assets.stages.processes.launch import launching_in
from recap_assets.stages.progress import listener, listening
from recap_assets.stages.run_id import running
from recap_assets.stages.stage import Check, Markdown, NotReady, Product, Stage, Table

_COLUMN_TYPES = {"String": "string", "Int64": "int", "Float64": "float", "Boolean": "bool"}
_LOG_EVERY = 15.0


def materialize(context: dg.AssetExecutionContext, stage: Stage) -> dg.MaterializeResult:
    """Build the partition of the running step; a user's mistake fails the run in one line."""
    project = Project.open()
    key = context.partition_key if context.has_partition_key else None
    try:
        launches = partial(through_pipes, context, listener())
        with running(context.run.run_id), remembering(), launching_in(launches), _logged(context):
            product = stage.build(project, key)
    except (UserError, NotReady) as error:
        failures.record(project, stage.name, key, str(error))
        raise dg.Failure(description=str(error), allow_retries=False) from None
    failures.clear(project, stage.name, key)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(product.version),
        metadata=metadata(product),
        check_results=[_checked(check) for check in product.checks] or None,
    )


def metadata(product: Product) -> dict[str, dg.MetadataValue[Any]]:
    """The product's facts in Dagster's types."""
    found = {name: _value(fact) for name, fact in product.facts.items() if fact is not None}
    return {"computed": dg.MetadataValue.int(product.computed), **found}


def _checked(check: Check) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if check.hard else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        check_name=check.name,
        passed=check.reason is None,
        severity=severity,
        description=check.reason or "within the limit that recap.yaml sets",
        metadata={name: dg.MetadataValue.float(value) for name, value in check.values.items()},
    )


def _value(fact: Any) -> dg.MetadataValue[Any]:
    match fact:
        case bool():
            return dg.MetadataValue.bool(fact)
        case int():
            return dg.MetadataValue.int(fact)
        case float():
            return dg.MetadataValue.float(fact)
        case Path():
            return dg.MetadataValue.path(str(fact))
        case Markdown():
            return dg.MetadataValue.md(fact.text)
        case Table():
            return _table(fact.frame)
        case _:
            return dg.MetadataValue.text(str(fact))


def _table(frame: pl.DataFrame) -> dg.MetadataValue[Any]:
    columns = [
        dg.TableColumn(name, _COLUMN_TYPES.get(str(kind), "string"))
        for name, kind in frame.schema.items()
    ]
    records = [
        dg.TableRecord({name: _cell(value) for name, value in row.items()})
        for row in frame.iter_rows(named=True)
    ]
    return dg.MetadataValue.table(records=records, schema=dg.TableSchema(columns=columns))


def _cell(value: Any) -> str | int | float | bool:
    if value is None:
        return ""
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def _logged(context: dg.AssetExecutionContext) -> Any:
    """Progress in the run's log, a line every quarter of a minute, and to who listens outside."""
    last, outside = time.monotonic(), listener()

    def log(done: int, total: int, what: str) -> None:
        nonlocal last
        if outside is not None:
            outside(done, total, what)
        if time.monotonic() - last >= _LOG_EVERY:
            last = time.monotonic()
            context.log.info(f"{what}: {done} of {total}")

    return listening(log)
