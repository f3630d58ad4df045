"""The text beside a picture, in members or a record, each taken as far as it can be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from recap_assets.images.sample import LONGEST_TEXT

_JSON = "json"


@dataclass(frozen=True)
class Sidecar:
    """What a sample says about its picture; `notes` name what was wrong with it."""

    alt: str
    url: str | None
    extra: str
    notes: tuple[str, ...]


def read_sidecar(
    read: Callable[[str], bytes | None],
    caption: str,
    url: str | None,
    record: Mapping[str, object] | None = None,
    lines: bool = False,
) -> Sidecar:
    """The text of one sample; `read` gives a member's bytes by extension, None if it has none.

    `caption` and `url` are an extension (`txt`), `json.<field>`, or a column of the `record` that a
    table has of the picture; dots go into nested objects. Outer white space goes. Bytes that are
    not UTF-8 become U+FFFD and a field that is no text counts as absent; both leave a note. Of a
    column that holds several texts the first is taken. With `lines` each line of a text member is
    a caption: the first is taken, and all are `captions` in `extra`.
    """
    notes: list[str] = []
    extra, fields = _json(read(_JSON), notes)
    if record:
        fields = {**record, **fields}
        extra = _dumped(fields, notes)

    def text(place: str) -> str:
        if place.startswith(f"{_JSON}."):
            return _field(fields, place.split(".")[1:], place, notes).strip()
        data = read(place)
        if data is None and record is not None:
            return _column(record, place, notes).strip()
        return _decoded(data or b"", place, notes).strip()

    alt = text(caption)
    if lines and read(caption) is not None and len(several := _lines(alt)) > 1:
        alt, extra = several[0], _dumped({**fields, "captions": several}, notes)
    return Sidecar(alt, (text(url) or None) if url else None, extra, tuple(notes))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _dumped(fields: Mapping[str, object], notes: list[str]) -> str:
    """The fields as JSON, unless that is too long to keep beside every picture."""
    try:
        text = json.dumps(fields, default=str)
    except (ValueError, RecursionError):
        notes.append("the record nests too deep")
        return "{}"
    if len(text) > LONGEST_TEXT:
        notes.append(f"the record has more than {LONGEST_TEXT} characters and is not kept")
        return "{}"
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _column(record: Mapping[str, object], place: str, notes: list[str]) -> str:
    names = [place] if place in record else place.split(".")
    value: object = record
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, list):
        value = next((one for one in value if isinstance(one, str) and one.strip()), None)
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        notes.append(f"{place} has more than {LONGEST_TEXT} characters and is not read")
        return ""
    return _field({"": value}, [""], place, notes)


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


def _field(fields: Mapping[str, object], names: Sequence[str], place: str, notes: list[str]) -> str:
    value: object = fields
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    if value is None:
        return ""
    if isinstance(value, str):
        # JSON can spell half of a surrogate pair, which is no text.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, int | float):
        return str(value)
    notes.append(f"{place} is not text")
    return ""
