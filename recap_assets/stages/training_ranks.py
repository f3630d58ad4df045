"""Trains an arm here or, where `t2i.processes` says more than one, in so many ranks.

`python -m recap_assets.stages.training_ranks RECAP.YAML ARM VERSION SETTINGS` is one of these.
"""

from __future__ import annotations

import sys

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest
from recap_assets.experiment.project import Project
from recap_assets.stages import training
from recap_assets.stages.memory import remembering
from recap_assets.stages.processes import rank
from recap_assets.stages.processes.launch import launch
from recap_assets.stages.processes.notes import Notes


def run(project: Project, key: str, version: str) -> None:
    """Train an arm once through. Raises as `training.run` and `launch`."""
    if project.config.t2i.processes == 1:
        training.run(project, key, version)
        return
    missing = training.missing(project, key, version)
    told = [str(project.file), key, version, digest(project.config)]
    launch(__name__, told, project.config.t2i.processes)
    if training.missing(project, key, version) == missing:
        raise RuntimeError(f"the ranks trained {key} and published nothing")


def _work(notes: Notes) -> None:
    """This rank's share of the training; the first one publishes."""
    from recap_assets.diffusion.group import joined

    file, key, version, settings = sys.argv[1:]
    project = Project.open(file)
    if digest(project.config) != settings:
        raise UserError(f"{file}: was changed while a training began; run it again")
    with joined(rank.rank(), rank.count(), notes.group) as share, remembering():
        training.run(project, key, version, share)


if __name__ == "__main__":
    rank.main(_work)
