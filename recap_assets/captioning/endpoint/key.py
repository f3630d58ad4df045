"""The key of an endpoint: read from the environment, sent to its server, shown to nobody."""

from __future__ import annotations

import os

from recap_assets.experiment.captioner_settings import Captioner
from recap_assets.experiment.errors import UserError

# Shorter ones are placeholders such as "none", which captions may say.
_SECRET_LENGTH = 8


class Key:
    """A secret whose `repr` does not show it."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return "Key(***)"

    @property
    def header(self) -> str:
        """The value of `Authorization`."""
        return f"Bearer {self._secret}"

    def is_in(self, text: str) -> bool:
        """Whether a text that came from the server gives the key away."""
        return len(self._secret) >= _SECRET_LENGTH and self._secret in text

    def hidden(self, text: str) -> str:
        """`text` without the key."""
        return text.replace(self._secret, "***")


def read(settings: Captioner) -> Key | None:
    """The key that the environment has for an endpoint; None where its server wants none.

    Raises:
        UserError: if the variable is not set, or what it holds cannot be a key.
    """
    assert settings.endpoint is not None
    name = settings.endpoint.key
    if name is None:
        return None
    secret = os.environ.get(name, "").strip()
    if not secret:
        raise UserError(
            f"captioner {settings.model}: the environment variable {name} is not set; "
            "put the endpoint's key into it, or null endpoint.key for a server without keys"
        )
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        raise UserError(
            f"captioner {settings.model}: the environment variable {name} holds blanks or letters "
            "that no key has; put just the key into it"
        )
    return Key(secret)
