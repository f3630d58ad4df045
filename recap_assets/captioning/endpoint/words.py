"""A server's own words, fit to be shown and kept: one line, not long, without the key."""

from __future__ import annotations

import json

from recap_assets.captioning.endpoint.key import Key

_LONGEST = 200


def of_error(data: bytes, key: Key | None) -> str:
    """The message in the body of an error, as OpenAI, FastAPI and others write it."""
    text = data.decode("utf-8", "replace")
    try:
        return line(_message(json.loads(text)), key)
    except (ValueError, RecursionError):
        return line(text, key)


def line(text: str, key: Key | None) -> str:
    """`text` as one line of at most some 200 letters."""
    shown = text if key is None else key.hidden(text)
    joined = " ".join("".join(one if one.isprintable() else " " for one in shown).split())
    return joined if len(joined) <= _LONGEST else f"{joined[:_LONGEST]}..."


def _message(told: object) -> str:
    for name in ("error", "message", "detail"):
        if isinstance(told, dict) and told.get(name):
            return _message(told[name])
    return told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)
