"""Stage `latents`: what the autoencoder makes of a shard's pictures; captions do not touch it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from recap_assets.diffusion import latents
from recap_assets.diffusion.mapped import MappedLatents
from recap_assets.experiment.fingerprint import digest
from recap_assets.experiment.project import Project
from recap_assets.stages import foresight, held_out, images, inputs, pictures, t2i_base
from recap_assets.stages.memory import remembered
from recap_assets.stages.progress import tell
from recap_assets.stages.stage import Key, NotReady, Product, Stage, named

if TYPE_CHECKING:
    from recap_assets.diffusion.families.family import Family

NAME = "latents"
BATCH = 64


def keys(project: Project) -> list[Key]:
    """Every shard of the data set."""
    return images.keys(project)


@remembered
def wanted(project: Project, key: Key) -> str:
    """The autoencoder, the size and the shard's pictures."""
    return digest([t2i_base.latents_version(project), sorted(_uids(project, named(key)))])


def made(project: Project, key: Key, version: str) -> bool:
    """Whether the file has exactly the shard's pictures."""
    shard = named(key)
    stored = latents.stored_uids(_path(project, shard))
    return stored is not None and sorted(stored) == sorted(_uids(project, shard))


def seen(project: Project, key: Key) -> bool:
    """Whether the shard was encoded before, by any autoencoder."""
    return any((project.root / "latents").glob(f"*/{named(key)}.safetensors"))


def build(project: Project, key: Key) -> Product:
    """Encode the pictures that the file lacks."""
    shard = named(key)
    rows = images.usable(project, shard)

    def pixels(uids: Sequence[str]) -> Iterator[np.ndarray]:
        missing = rows.filter(pl.col("uid").is_in(uids))
        order = pl.DataFrame({"uid": list(uids)})
        missing = order.join(missing, on="uid", how="left", maintain_order="left")
        size = _family(project).resolution
        for start in range(0, missing.height, BATCH):
            yield pictures.of_shard(project, shard, missing.slice(start, BATCH), size)
            tell(min(start + BATCH, missing.height), missing.height, f"encoding shard {shard}")

    path = _path(project, shard)
    encoded = latents.refresh(path, rows["uid"].to_list(), pixels, lambda: _family(project))
    return Product(
        version=wanted(project, key),
        computed=encoded,
        facts={"latents": rows.height, "encoded": encoded, "path": path},
    )


def dataset(project: Project) -> MappedLatents:
    """The latents of all pictures that training may see.

    Raises:
        NotReady: if a shard is not encoded as it is now.
    """
    held = {sha256[:32] for sha256 in held_out.held_out(project)}
    shards = inputs.shards(project)
    for shard in shards:
        if not made(project, shard, ""):
            raise NotReady(f"latents[{shard}] is not encoded as its pictures are now")
    return MappedLatents([_path(project, shard) for shard in shards], held)


@remembered
def training_uids(project: Project) -> list[str]:
    """The uids that `dataset` would give, from the files' headers alone. Raises as `dataset`."""
    held = {sha256[:32] for sha256 in held_out.held_out(project)}
    found: set[str] = set()
    for shard in inputs.shards(project):
        if foresight.folder() is None and not made(project, shard, ""):
            raise NotReady(f"latents[{shard}] is not encoded as its pictures are now")
        found.update(_uids(project, shard))
    return sorted(found - held)


def _uids(project: Project, shard: str) -> list[str]:
    return images.usable(project, shard)["uid"].to_list()


def _path(project: Project, shard: str) -> Path:
    return project.latents(t2i_base.latents_version(project), shard)


def _family(project: Project) -> Family:
    return _loaded(str(project.file), t2i_base.version(project))


@lru_cache(maxsize=1)
def _loaded(file: str, version: str) -> Family:
    """Kept in memory from shard to shard; encoding leaves it as it is."""
    return t2i_base.family(Project.open(file))


STAGE = Stage(NAME, keys, wanted, made, seen, build)
