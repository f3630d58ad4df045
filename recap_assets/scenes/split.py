"""Which scenes are held out for evaluation: decided by what a caption can say, not by pixels."""

from __future__ import annotations

from recap_assets.experiment.fingerprint import seed
from recap_assets.scenes.scene import Scene


def is_held_out(scene: Scene) -> bool:
    """True for about one signature in eight; no model and no world trains on those."""
    return seed("held-out", scene.signature) % 8 == 0
