"""The front door for Dagster: `recap_assets.definitions.defs`, made from recap.yaml."""

from __future__ import annotations

import warnings

import dagster as dg

from recap_assets.defs import partitions
from recap_assets.defs.automation import new_shards, nightly, shard_job
from recap_assets.defs.captions import caption_assets
from recap_assets.defs.external import external_assets
from recap_assets.defs.training import evaluation_assets, training_assets
from recap_assets.experiment.project import Project


def build(project: Project) -> dg.Definitions:
    """Everything that Dagster shows and runs for a project."""
    with warnings.catch_warnings():
        # Partitioned asset checks show a bad shard in the UI; Dagster calls them a preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        return _build(project)


def _build(project: Project) -> dg.Definitions:
    keys = partitions.of(project)
    return dg.Definitions(
        assets=[
            *external_assets(),
            *caption_assets(project, keys),
            *training_assets(keys),
            *evaluation_assets(keys),
        ],
        jobs=[shard_job],
        schedules=[nightly(project)],
        sensors=[new_shards],
        # A killed multiprocess step would go on as an orphan and keep the GPU.
        executor=dg.in_process_executor,
    )


defs = build(Project.open())
