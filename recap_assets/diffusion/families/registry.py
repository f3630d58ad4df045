"""The families by the pipeline class that a model's model_index.json names."""

from __future__ import annotations

from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.families.sd3 import StableDiffusion3
from recap_assets.diffusion.families.sdxl import StableDiffusionXL
from recap_assets.diffusion.families.stable_diffusion import StableDiffusion

FAMILIES: tuple[type[Family], ...] = (StableDiffusion, StableDiffusionXL, StableDiffusion3)


def family_of(pipeline: object) -> type[Family] | None:
    """The family that serves pipelines of this class name."""
    return next((one for one in FAMILIES if pipeline in one.pipelines), None)


def known() -> list[str]:
    """The pipeline classes that there are families for."""
    return [name for family in FAMILIES for name in family.pipelines]
