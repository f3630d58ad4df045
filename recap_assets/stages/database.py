"""Queries over the views of a project."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recap_assets.captions import compact as compacting
from recap_assets.captions import views
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.keys import ALT
from recap_assets.experiment.project import Project
from recap_assets.stages import recipes
from recap_assets.stages.memory import remembering
from recap_assets.stages.stage import NotReady


def current(project: Project) -> dict[str, str]:
    """The recipe whose rows the view `captions` shows, by style; only styles that have one yet."""
    found = {ALT: recipes.recipe(project, ALT).digest}
    with remembering():
        for style in project.config.styles:
            try:
                found[style] = recipes.recipe(project, style).digest
            except (NotReady, UserError):
                continue
    return found


def ask(project: Project, query: str) -> pl.DataFrame:
    """The answer to a query.

    Raises:
        UserError: if DuckDB refuses the query, with its reason.
    """
    import duckdb

    connection = views.connect(project.root, current(project))
    try:
        return connection.sql(query).pl()
    except duckdb.Error as error:
        reason = " ".join(str(error).split())
        raise UserError(f"query: {reason}; `recap sql 'SHOW TABLES'` lists the views") from error
    except AttributeError as error:
        raise UserError("query: it gives no rows; ask with SELECT, FROM or SHOW") from error
    finally:
        connection.close()


def compact(project: Project, target: Path) -> int:
    """Write the current captions to one file; how many. Raises as `captions.compact.compact`."""
    return compacting.compact(project.root, current(project), target)


def write(project: Project) -> None:
    """Bring recap.duckdb up to date."""
    views.write_database(project.root, current(project))
