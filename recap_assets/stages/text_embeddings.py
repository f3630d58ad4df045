"""Where a training has its text embeddings from: the cache, where the text encoders are frozen."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from typing import TYPE_CHECKING

from recap_assets.experiment.project import Project
from recap_assets.stages import t2i_base
from recap_assets.stages.progress import tell

if TYPE_CHECKING:
    from recap_assets.diffusion.families.family import Family
    from recap_assets.diffusion.order import Draw
    from recap_assets.diffusion.share import Share
    from recap_assets.diffusion.text_cache import TextCache
    from recap_assets.diffusion.texts import Cached, Encoders

#: The share of the disk's free space that new embeddings may take.
_ROOM = 0.5


def frozen(
    project: Project, family: Family, draw: Draw, epochs: int, share: Share
) -> Cached | Encoders:
    """The embeddings, by encoders that are not trained, of what `draw` shows in so many epochs.

    Each caption is encoded once, before the training and for every arm; but step by step where
    captions are shown about once, or their embeddings would not fit the disk.

    Raises:
        UserError: if the disk refuses, or a file of the cache is damaged.
    """
    import torch

    from recap_assets.diffusion.text_cache import TextCache
    from recap_assets.diffusion.texts import Cached, Encoders

    if epochs < 2:
        return Encoders(family)
    place = project.texts(t2i_base.texts_version(project))
    captions = {"", *(text for epoch in range(epochs) for text in draw(epoch) if text is not None)}
    if share.first:
        _fill(TextCache(place, project.config.t2i.precision), family, captions)
    share.add([torch.zeros(1, device=family.device)])  # the others wait for the first one
    cache = TextCache(place, project.config.t2i.precision)
    whole = all(caption in cache for caption in captions)
    return Cached(family, cache) if whole else Encoders(family)


def _fill(cache: TextCache, family: Family, captions: Collection[str]) -> None:
    """Encode what was never encoded, if there is room for it."""
    missing = sorted(caption for caption in captions if caption not in cache)
    if not missing:
        return
    cache.fill([""], lambda: family)
    size = sum(tensor.nbytes for tensor in cache.read([""]).values())
    if size * len(missing) <= _ROOM * shutil.disk_usage(cache.folder).free:
        cache.fill(
            missing, lambda: family, lambda done: tell(done, len(missing), "encoding captions")
        )
