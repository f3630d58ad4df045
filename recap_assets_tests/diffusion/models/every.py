"""Every tiny model, by a name for the tests."""

from __future__ import annotations

from collections.abc import Callable

from recap_assets.diffusion.families.family import Family
from recap_assets_tests.diffusion.models import sd3, sdxl, stable_diffusion

EVERY: dict[str, Callable[[], Family]] = {
    "sd": stable_diffusion.build,
    "sdxl": sdxl.build,
    "sd3": sd3.build,
    "sd3-without-t5": lambda: sd3.build(t5=False),
}
