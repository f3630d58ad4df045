"""The columns of an asset's Parquet files, shown in the UI before anything is made."""

from __future__ import annotations

import dagster as dg
import polars as pl

_TYPES = {"String": "string", "Binary": "bytes", "Boolean": "bool"}


def columns(schema: pl.Schema) -> dict[str, dg.TableSchema]:
    """Definition metadata that names every column with its type."""
    told = [
        dg.TableColumn(name, _TYPES.get(str(kind), str(kind).lower()))
        for name, kind in schema.items()
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=told)}
