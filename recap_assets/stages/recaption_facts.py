"""What is shown beside a captioned shard: counts, sample captions of every style, pictures."""

from __future__ import annotations

from typing import Any

import polars as pl

from recap_assets.captions.plan import Plan
from recap_assets.experiment.keys import ALT as ALT_STYLE
from recap_assets.experiment.project import Project
from recap_assets.images.reader import PictureReader
from recap_assets.images.sheet import contact_sheet
from recap_assets.stages import images
from recap_assets.stages.recipes import recipes, statuses, store
from recap_assets.stages.stage import Markdown, Table


def facts(project: Project, shard: str, todo: dict[str, Plan], computed: int) -> dict[str, Any]:
    """Counts, statuses, sample captions old beside new, and the pictures they are of."""
    counts = statuses(project, shard)
    return {
        "dagster/partition_row_count": sum(sum(by.values()) for by in counts.values()),
        "rows_computed": computed,
        "rows_reused": sum(plan.kept.height for style, plan in todo.items() if style != ALT_STYLE),
        "error_rate": _rate(counts),
        "statuses": Table(
            pl.DataFrame(
                [
                    {"style": style, "status": status, "rows": n}
                    for style, by in counts.items()
                    for status, n in sorted(by.items())
                ],
                schema={"style": pl.String, "status": pl.String, "rows": pl.Int64},
            )
        ),
        "captions": Table(examples(project, shard, 6)),
        "pictures": _sheet(project, shard, 6),
    }


def _rate(counts: dict[str, dict[str, int]]) -> float:
    own = {style: by for style, by in counts.items() if style != ALT_STYLE}
    total = sum(sum(by.values()) for by in own.values())
    return (total - sum(by.get("ok", 0) for by in own.values())) / max(1, total)


def examples(project: Project, shard: str, number: int) -> pl.DataFrame:
    """Some pictures' captions, a column per style."""
    some = _some(project, shard, number).select("uid", "key")
    for style, its in recipes(project).items():
        rows = store(project).read(its, shard)
        if rows is not None:
            column = rows.select("uid", pl.col("caption").alias(style))
            some = some.join(column, on="uid", how="left", maintain_order="left")
    return some.drop("uid")


def _some(project: Project, shard: str, number: int) -> pl.DataFrame:
    return images.usable(project, shard).head(number)


def _sheet(project: Project, shard: str, number: int) -> Markdown | None:
    tar, some = images.source(project, shard), _some(project, shard, number)
    if not some.height:
        return None
    with PictureReader(tar, project.config.dataset.max_pixels) as reader:
        return Markdown(contact_sheet(list(reader.pictures(some))))
