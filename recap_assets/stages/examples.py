"""What an arm learns from: the latents of the pictures, its captions, and how these are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recap_assets.experiment.project import Project
from recap_assets.stages import latents, text_embeddings
from recap_assets.stages.arm_captions import drawn

if TYPE_CHECKING:
    from recap_assets.diffusion.families.family import Family
    from recap_assets.diffusion.feed import Examples
    from recap_assets.diffusion.settings import TrainSettings
    from recap_assets.diffusion.share import Share


def examples(
    project: Project, key: str, family: Family, settings: TrainSettings, share: Share
) -> Examples:
    """The examples of an arm; networks of `family` that they make needless leave its device.

    Raises:
        NotReady: if captions or latents are not built from the shards as they are now.
        UserError: if the model lacks weights that are to be trained; as `text_embeddings.frozen`.
    """
    from recap_assets.diffusion.feed import Examples
    from recap_assets.diffusion.parts import park
    from recap_assets.diffusion.texts import Cached, Encoders

    pictures = latents.dataset(project)
    draw = drawn(project, key, pictures.uids)
    used = {family.denoiser, *family.trained(settings.train)}
    encoders = {part.encoder for part in family.present}
    if used & encoders:
        texts: Cached | Encoders = Encoders(family)
    else:
        epochs = -(-settings.steps * settings.batch // max(1, len(pictures)))
        texts = text_embeddings.frozen(project, family, draw, epochs, share)
    park(family, used if isinstance(texts, Cached) else used | encoders)
    return Examples(pictures, draw, texts)
