"""The pictures that no arm may be trained on: those of evaluation, and what looks like them."""

from __future__ import annotations

import polars as pl

from recap_assets.experiment.project import Project
from recap_assets.images.near import difference_hash, within
from recap_assets.stages import images, inputs, pictures
from recap_assets.stages.memory import remembered


@remembered
def held_out(project: Project) -> set[str]:
    """sha256 of evaluation's pictures and, with `dataset.near_duplicates`, of those near them.

    Raises:
        NotReady: if near ones are asked for and a shard is not indexed as it is now.
    """
    known = inputs.held_out(project)
    distance = project.config.dataset.near_duplicates
    if distance is None or not known:
        return known
    asked = _hashes(project)
    near = set[str]()
    for shard in inputs.shards(project):
        rows = images.frame(project, shard).drop_nulls("phash")
        hits = within(rows["phash"], asked, distance)
        near |= set(rows.filter(hits)["image_sha256"])
    return known | near


def _hashes(project: Project) -> pl.Series:
    """The difference hash of every picture that evaluation uses."""
    limit = project.config.dataset.max_pixels
    files = inputs.prompt_pictures(project).values()
    found = {difference_hash(pictures.of_file(path, limit)) for path in files}
    return pl.Series(sorted(found), dtype=pl.Int64)
