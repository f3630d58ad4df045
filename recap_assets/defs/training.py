"""Assets from latents to the report: training, samples, metrics, the table and the page."""

from typing import Any

import dagster as dg
import polars as pl

from recap_assets.defs.captions import OWNERS
from recap_assets.defs.columns import columns
from recap_assets.defs.materialize import materialize
from recap_assets.defs.partitions import ALL, SHARD, Partitions
from recap_assets.evaluation.table import ROWS
from recap_assets.stages import (
    audit,
    checkpoint,
    images,
    latents,
    manifest,
    metrics,
    reference,
    report,
    samples,
    table,
)

_SAME = dg.IdentityPartitionMapping()


def training_assets(partitions: Partitions, pool: str | None) -> list[Any]:
    """The assets of the training group."""

    @dg.asset(
        name=latents.NAME,
        partitions_def=SHARD,
        code_version="1",
        group_name="training",
        kinds={"pytorch"},
        owners=OWNERS,
        pool=pool,
        deps=[dg.AssetDep(images.NAME, partition_mapping=_SAME), "base_t2i"],
    )
    def latents_asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """Image latents of one shard; captions do not touch them."""
        return materialize(context, latents.STAGE)

    @dg.asset(
        name=checkpoint.NAME,
        partitions_def=partitions.arm,
        code_version=checkpoint.CODE,
        group_name="training",
        kinds={"pytorch", "huggingface"},
        owners=OWNERS,
        pool=pool,
        deps=[
            dg.AssetDep(manifest.NAME, partition_mapping=partitions.style_to_arm),
            dg.AssetDep(latents.NAME, partition_mapping=ALL),
            "base_t2i",
        ],
    )
    def t2i_checkpoint(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """A text-to-image model trained on one caption mix, as a diffusers folder."""
        return materialize(context, checkpoint.STAGE)

    return [latents_asset, t2i_checkpoint]


def evaluation_assets(partitions: Partitions, pool: str | None) -> list[Any]:
    """The assets of the evaluation group."""

    @dg.asset(
        name=samples.NAME,
        partitions_def=partitions.row,
        code_version=samples.CODE,
        group_name="evaluation",
        kinds={"pytorch"},
        owners=OWNERS,
        pool=pool,
        deps=[
            dg.AssetDep(checkpoint.NAME, partition_mapping=partitions.arm_to_row),
            "base_t2i",
            "eval_prompts",
        ],
    )
    def samples_asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """A picture for every held-out prompt, from the same noise in every arm."""
        return materialize(context, samples.STAGE)

    @dg.asset(
        name=reference.NAME,
        code_version=reference.CODE,
        group_name="evaluation",
        kinds={"pytorch"},
        owners=OWNERS,
        pool=pool,
        deps=[dg.AssetDep(images.NAME, partition_mapping=ALL)],
    )
    def reference_asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """Features of real pictures, which the Frechet distance compares with."""
        return materialize(context, reference.STAGE)

    @dg.asset(
        name=metrics.NAME,
        partitions_def=partitions.row,
        code_version=metrics.CODE,
        group_name="evaluation",
        kinds={"pytorch", "parquet"},
        owners=OWNERS,
        pool=pool,
        deps=[dg.AssetDep(samples.NAME, partition_mapping=_SAME), "detector"],
    )
    def metrics_asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """Per-picture scores of one row of the table: objects, counts, places, exact scenes."""
        return materialize(context, metrics.STAGE)

    @dg.asset(
        name=table.NAME,
        metadata=columns(pl.Schema(ROWS)),
        code_version=table.CODE,
        group_name="evaluation",
        kinds={"parquet", "duckdb"},
        owners=OWNERS,
        deps=[dg.AssetDep(metrics.NAME, partition_mapping=ALL), reference.NAME],
    )
    def metric_table(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """The metrics of every arm with 95 % intervals, and the differences to Alttext."""
        return materialize(context, table.STAGE)

    @dg.asset(
        name=report.NAME,
        code_version=report.CODE,
        group_name="evaluation",
        kinds={"html"},
        owners=OWNERS,
        deps=[table.NAME, dg.AssetDep(audit.NAME, partition_mapping=ALL)],
    )
    def report_asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """The page that shows what the new captions bought."""
        return materialize(context, report.STAGE)

    return [samples_asset, reference_asset, metrics_asset, metric_table, report_asset]
