"""What an HTTP status that is no success means: ask again, give this picture up, or stop."""

from __future__ import annotations

from collections.abc import Mapping

from recap_assets.captioning.endpoint.failures import Failed, Rejected
from recap_assets.captioning.endpoint.pace import retry_after
from recap_assets.experiment.captioner_settings import Captioner
from recap_assets.experiment.errors import UserError

_BUSY = (408, 409, 425, 429)


def error(
    status: int, headers: Mapping[str, str], told: str, settings: Captioner
) -> Failed | Rejected | UserError:
    """What to raise for a status that is not 2xx.

    Failed if the server is busy or broken; Rejected if it does not want this request; UserError if
    it would want no other one either, for the key, the model or the address is wrong.

    Args:
        told: the server's own words, one line without the key.
    """
    reason = f"HTTP {status}: {told}" if told else f"HTTP {status}"
    if status in _BUSY or status >= 500:
        return Failed(reason, after=retry_after(headers.get("retry-after")))
    assert settings.endpoint is not None
    server = f"captioner {settings.model}: {settings.endpoint.url}"
    if 300 <= status < 400:
        return UserError(
            f"{server} sends requests elsewhere ({reason}), where they do not follow; "
            "correct endpoint.url to the final address"
        )
    if status in (401, 403):
        return UserError(f"{server} refuses the key ({reason}); {_key(settings.endpoint.key)}")
    if status in (404, 405, 410):
        return UserError(
            f"{server} has no model {settings.model!r} or no chat completions ({reason}); "
            "correct `model` to a name it serves, or endpoint.url up to and with the version"
        )
    return Rejected(reason)


def _key(variable: str | None) -> str:
    if variable is None:
        return "name the environment variable that holds one in endpoint.key"
    return f"put a valid one into the environment variable {variable}"
