"""The text beside a picture: alt-text, url and json member, each taken as far as it can be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

_JSON = "json"


@dataclass(frozen=True)
class Sidecar:
    """What a sample says about its picture; `notes` name what was wrong with it."""

    alt: str
    url: str | None
    extra: str
    notes: tuple[str, ...]


def read_sidecar(read: Callable[[str], bytes | None], caption: str, url: str | None) -> Sidecar:
    """The text of one sample; `read` gives a member's bytes by extension, None if it has none.

    `caption` and `url` are an extension (`txt`) or `json.<field>`, where dots go into nested
    objects. Outer white space goes. Bytes that are not UTF-8 become U+FFFD and a field that is no
    text counts as absent; both leave a note.
    """
    notes: list[str] = []
    extra, fields = _json(read(_JSON), notes)

    def text(place: str) -> str:
        if place.startswith(f"{_JSON}."):
            return _field(fields, place, notes).strip()
        return _decoded(read(place) or b"", place, notes).strip()

    return Sidecar(text(caption), (text(url) or None) if url else None, extra, tuple(notes))


def _decoded(data: bytes, place: str, notes: list[str]) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        notes.append(f"{place} is not UTF-8")
        return data.decode("utf-8-sig", "replace")


def _json(data: bytes | None, notes: list[str]) -> tuple[str, dict[str, object]]:
    """(text, object) of the json member; NaN and infinities, which JSON lacks, become null."""
    if data is None:
        return "{}", {}
    text = _decoded(data, _JSON, notes)
    odd: list[str] = []
    try:
        value = json.loads(text, parse_constant=odd.append)
    except (ValueError, RecursionError):
        notes.append("json is malformed")
        return "{}", {}
    if not isinstance(value, dict):
        notes.append("json is not an object")
        return "{}", {}
    return (json.dumps(value) if odd else text), value


def _field(fields: dict[str, object], place: str, notes: list[str]) -> str:
    value: object = fields
    for name in place.split(".")[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    if value is None:
        return ""
    if isinstance(value, str):
        # JSON can spell half of a surrogate pair, which is no text.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, int | float):
        return str(value)
    notes.append(f"{place} is not text")
    return ""
