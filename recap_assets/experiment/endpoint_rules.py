"""Rules for captioners that a server has: where it may be, and what cannot be asked of it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from recap_assets.experiment.captioner_settings import Captioner, Endpoint
    from recap_assets.experiment.config import Config

# Keys themselves have small letters or hyphens, so one that was pasted here is told from a name.
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_AT_SERVER = "set it where the server is started"
#: Settings of models that are loaded here, and what to do instead.
_LOCAL = (
    ("tune", "tune where the model is loaded from a folder or the hub, then serve what came of it"),
    ("compile", _AT_SERVER),
    ("precision", _AT_SERVER),
    ("trust_remote_code", _AT_SERVER),
    ("decoders", "let threads read the pictures"),
)


def endpoint_problems(config: Config) -> Iterator[str]:
    """Each contradiction within a captioner that is served, as one line with its dotted place.

    No line shows the key or a part of a URL that may hold a secret.
    """
    for name, captioner in config.captioners.items():
        if captioner.endpoint is not None:
            place = f"captioners.{name}"
            yield from _local_problems(place, captioner)
            yield from _key_problems(f"{place}.endpoint.key", captioner.endpoint)
            yield from _url_problems(f"{place}.endpoint.url", captioner.endpoint)


def _local_problems(place: str, captioner: Captioner) -> Iterator[str]:
    for field, instead in _LOCAL:
        if getattr(captioner, field) != type(captioner).model_fields[field].default:
            yield f"{place}.{field}: means nothing with an endpoint; null it, and {instead}"


def _key_problems(place: str, endpoint: Endpoint) -> Iterator[str]:
    if endpoint.key is not None and not _VARIABLE.fullmatch(endpoint.key):
        yield (
            f"{place}: is no name of an environment variable (capital letters, digits, _), such as "
            "OPENAI_API_KEY; put the key itself into the environment and its variable's name here"
        )


def _url_problems(place: str, endpoint: Endpoint) -> Iterator[str]:
    url = _split(endpoint.url)
    if url is None or url.scheme not in ("http", "https"):
        yield f"{place}: is no http or https address; write one like http://127.0.0.1:8000/v1"
    elif url.username is not None or url.password is not None or url.query or url.fragment:
        yield (
            f"{place}: holds more than host and path, which could be a secret; leave that out and "
            "name the environment variable of the key in `key`"
        )
    elif url.path.rstrip("/").endswith("/completions"):
        yield f"{place}: goes too far; end it at the version, such as {url.netloc}/v1"
    elif endpoint.key is not None and url.scheme == "http" and not _is_loopback(url):
        yield (
            f"{place}: would send the key unencrypted to {url.hostname}; use https, a tunnel to "
            "127.0.0.1, or null the key"
        )


def _split(text: str) -> SplitResult | None:
    """The parts of a URL; None if it is none, or names no host or an impossible port."""
    if text != text.strip() or not text.isprintable():
        return None
    try:
        url = urlsplit(text)
        return url if url.hostname and url.port != 0 else None
    except ValueError:
        return None


def _is_loopback(url: SplitResult) -> bool:
    host = url.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
