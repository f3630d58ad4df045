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

#: The pool of `dagster.yaml` in which one step at a time may use the accelerator.
GPU = "gpu"


def build(project: Project, pool: str | None = GPU) -> dg.Definitions:
    """Everything that Dagster shows and runs for a project.

    Steps that run a model wait for a place in `pool`, if one is named.
    """
    with warnings.catch_warnings():
        # Partitioned asset checks show a bad shard in the UI; Dagster calls them a preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        return _build(project, pool)


def _build(project: Project, pool: str | None) -> dg.Definitions:
    keys = partitions.of(project)
    return dg.Definitions(
        assets=[
            *external_assets(),
            *caption_assets(project, keys, pool),
            *training_assets(keys, pool),
            *evaluation_assets(keys, pool),
        ],
        jobs=[shard_job],
        schedules=[nightly(project)],
        sensors=[new_shards],
        # A killed multiprocess step would go on as an orphan and keep the GPU.
        executor=dg.in_process_executor,
    )


defs = build(Project.open())
