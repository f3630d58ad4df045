"""Where a training has its text embeddings from: the cache, where the text encoders are frozen."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from recap_assets.experiment.project import Project
from recap_assets.stages import t2i_base
from recap_assets.stages.progress import tell

if TYPE_CHECKING:
    from recap_assets.diffusion.families.family import Family
    from recap_assets.diffusion.order import Draw
    from recap_assets.diffusion.share import Share
    from recap_assets.diffusion.text_cache import TextCache
    from recap_assets.diffusion.texts import Texts

#: The share of the disk's free space that embeddings may take.
_ROOM = 0.5


def texts(project: Project, family: Family, draw: Draw, epochs: int, share: Share) -> Texts:
    """The embeddings of the captions that `draw` shows in so many epochs, each encoded once.

    They come from the encoders themselves, step by step, where captions are shown about once, or
    their embeddings do not fit the disk.

    Raises:
        UserError: if the disk refuses, or a file of the cache is damaged.
    """
    from recap_assets.diffusion.text_cache import TextCache
    from recap_assets.diffusion.texts import Cached, Encoders

    if epochs < 2:
        return Encoders(family)
    place = project.texts(t2i_base.texts_version(project))
    if share.first:
        _fill(TextCache(place, project.config.t2i.precision), family, draw, epochs)
    _wait(family, share)
    ...
