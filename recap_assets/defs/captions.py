"""Assets up to the captions: images, human captions, captioner, recaptions, manifests, audits."""

from collections.abc import Iterable
from enum import Enum
from typing import Any

import dagster as dg
from pydantic import Field

from recap_assets.captions.human import HUMAN
from recap_assets.captions.manifest import MANIFEST
from recap_assets.captions.schema import CAPTIONS
from recap_assets.defs.columns import columns
from recap_assets.defs.materialize import materialize
from recap_assets.defs.partitions import ALL, SHARD, Partitions
from recap_assets.experiment.fingerprint import digest, short
from recap_assets.experiment.project import Project
from recap_assets.images.schema import INDEX
from recap_assets.stages import (
    audit,
    caption_checks,
    captioner,
    captioner_checks,
    human,
    images,
    manifest,
    recaptions,
    recipes,
)
from recap_assets.stages.refresh import refreshing

OWNERS = ["team:recap"]


class Refresh(Enum):
    """Which stored captions are made again, beside those that changed."""

    stale = "stale"
    errors = "errors"
    all = "all"


class CaptionConfig(dg.Config):
    """What the launchpad asks before a shard is captioned."""

    refresh: Refresh = Field(
        Refresh.stale, description="stale: what changed; errors: what failed too; all: everything."
    )


def _checks(
    asset: str, names: Iterable[str], partitions: dg.PartitionsDefinition
) -> list[dg.AssetCheckSpec]:
    """One check for each name, partitioned as the asset is."""
    return [dg.AssetCheckSpec(name, asset=asset, partitions_def=partitions) for name in names]


def caption_assets(project: Project, partitions: Partitions, pool: str | None) -> list[Any]:
    """The assets of the data and caption groups."""
    styles = short(digest(project.config.styles))

    @dg.asset(
        name=images.NAME,
        metadata=columns(INDEX),
        partitions_def=SHARD,
        code_version="1",
        group_name="data",
        kinds={"parquet"},
        owners=OWNERS,
        check_specs=_checks(images.NAME, images.GATES, SHARD),
    )
    def images_asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """Index of one shard: a row per picture with its hash, alt-text and place in the tar."""
        return materialize(context, images.STAGE)

    @dg.asset(
        name=human.NAME,
        metadata=columns(HUMAN),
        partitions_def=partitions.human_style,
        code_version=human.CODE,
        group_name="captions",
        kinds={"parquet"},
        owners=OWNERS,
    )
    def human_captions(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """The small set of captions that people wrote, split into train and validation."""
        return materialize(context, human.STAGE)

    @dg.asset(
        name=captioner.NAME,
        partitions_def=partitions.captioner,
        code_version=captioner.CODE,
        group_name="captions",
        kinds={"pytorch", "huggingface"},
        owners=OWNERS,
        pool=pool,
        deps=[
            dg.AssetDep(human.NAME, partition_mapping=partitions.human_to_captioner),
            "base_captioner",
        ],
        check_specs=_checks(captioner.NAME, captioner_checks.CHECKS, partitions.captioner),
    )
    def captioner_asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """A captioner fine-tuned on the human captions, with its validation scores."""
        return materialize(context, captioner.STAGE)

    @dg.asset(
        name=recaptions.NAME,
        metadata=columns(CAPTIONS),
        partitions_def=SHARD,
        code_version=f"{recipes.CODE}-{styles}",
        group_name="captions",
        kinds={"pytorch", "parquet"},
        owners=OWNERS,
        pool=pool,
        deps=[
            dg.AssetDep(images.NAME, partition_mapping=dg.IdentityPartitionMapping()),
            dg.AssetDep(captioner.NAME, partition_mapping=partitions.captioners_in_use),
        ],
        check_specs=_checks(recaptions.NAME, caption_checks.GATES, SHARD),
    )
    def recaptions_asset(
        context: dg.AssetExecutionContext, config: CaptionConfig
    ) -> dg.MaterializeResult:
        """Captions of every style for one shard; rows of the same recipe are kept."""
        with refreshing(config.refresh.value):
            return materialize(context, recaptions.STAGE)

    @dg.asset(
        name=manifest.NAME,
        metadata=columns(MANIFEST),
        partitions_def=partitions.style,
        code_version="1",
        group_name="captions",
        kinds={"parquet", "duckdb"},
        owners=OWNERS,
        deps=[dg.AssetDep(recaptions.NAME, partition_mapping=ALL)],
    )
    def caption_manifest(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """The exact caption set of a style across all shards, versioned by its content."""
        return materialize(context, manifest.STAGE)

    @dg.asset(
        name=audit.NAME,
        partitions_def=partitions.style,
        code_version=audit.CODE,
        group_name="captions",
        kinds={"scikitlearn"},
        owners=OWNERS,
        deps=[
            dg.AssetDep(manifest.NAME, partition_mapping=dg.IdentityPartitionMapping()),
            dg.AssetDep(captioner.NAME, partition_mapping=partitions.captioner_to_style),
            "eval_prompts",
        ],
        check_specs=_checks(audit.NAME, [audit.CHECK], partitions.style),
    )
    def caption_audit(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """Length, vocabulary, recall, hallucination and distance to the prompts of a style."""
        return materialize(context, audit.STAGE)

    return [
        images_asset,
        human_captions,
        captioner_asset,
        recaptions_asset,
        caption_manifest,
        caption_audit,
    ]
