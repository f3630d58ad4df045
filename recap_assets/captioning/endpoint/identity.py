"""What stands for the weights of a served model, which nobody here can see."""

from __future__ import annotations

from recap_assets.experiment.captioner_settings import Captioner
from recap_assets.experiment.fingerprint import digest


def identity(settings: Captioner) -> str:
    """64 hex digits over the model's name and `revision`; the server's address does not count.

    The server may swap the weights behind a name and nothing here would know: whoever swaps them
    writes another `revision`, and the captions are made again.
    """
    return digest(["endpoint", settings.model, settings.revision])
