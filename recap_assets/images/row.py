"""One sample of a tar as one index row: which member is its picture, and what became of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from recap_assets.images.decode import DecodeError, decode
from recap_assets.images.sidecar import read_sidecar
from recap_assets.images.tars import Member, Sample

PICTURES = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff")

Row = dict[str, object]


class _Outcome(NamedTuple):
    status: str
    error: str | None
    width: int | None
    height: int | None


class RowMaker:
    """Makes the rows of one shard in its order; keeps digests and keys to know repeats by."""

    def __init__(self, shard: str, caption: str, url: str | None, max_pixels: int) -> None:
        self._shard = shard
        self._caption = caption
        self._url = url
        self._max_pixels = max_pixels
        self._keys: set[str] = set()
        self._pictures: dict[str, tuple[str, int, int]] = {}

    def row(self, sample: Sample, read: Callable[[Member], bytes]) -> Row:
        """The row of `sample`, columns as in `schema.INDEX`; `read` gives a member's bytes."""

        def member(extension: str) -> bytes | None:
            found = sample.members.get(extension)
            return read(found) if found else None

        text = read_sidecar(member, self._caption, self._url)
        picture = _picture(sample)
        data = read(picture) if picture else b""
        sha256 = hashlib.sha256(data).hexdigest() if data else ""
        outcome = self._outcome(sample, picture, data, sha256)
        notes = [outcome.error, *self._notes(sample, picture), *text.notes]
        self._keys.add(sample.key)
        return {
            "uid": sha256[:32],
            "shard": self._shard,
            "key": sample.key,
            "image_sha256": sha256,
            "ext": picture.extension if picture else "",
            "offset": picture.offset if picture else 0,
            "size": picture.size if picture else 0,
            "width": outcome.width,
            "height": outcome.height,
            "alt": text.alt,
            "url": text.url,
            "extra": text.extra,
            "status": outcome.status,
            "error": "; ".join(note for note in notes if note) or None,
        }

    def _outcome(
        self, sample: Sample, picture: Member | None, data: bytes, sha256: str
    ) -> _Outcome:
        if picture is None:
            only = f" (only {', '.join(sample.members)})" if sample.members else ""
            return _Outcome("error", f"no picture{only}", None, None)
        if sha256 in self._pictures:
            first, width, height = self._pictures[sha256]
            return _Outcome("duplicate", f"same picture as {first}", width, height)
        try:
            width, height = decode(data, self._max_pixels).size
        except DecodeError as error:
            return _Outcome("error", error.reason, None, None)
        self._pictures[sha256] = (sample.key, width, height)
        return _Outcome("ok", None, width, height)

    def _notes(self, sample: Sample, picture: Member | None) -> list[str]:
        notes = [f"{rejected.name} not read: {rejected.reason}" for rejected in sample.rejected]
        several = [extension for extension in sample.members if extension in PICTURES]
        if picture and len(several) > 1:
            notes.append(f"{picture.extension} taken of {', '.join(several)}")
        if sample.key in self._keys:
            notes.append("the tar has this key more than once")
        return notes


def _picture(sample: Sample) -> Member | None:
    """The first member that is a picture; the tar's order decides between several."""
    return next((found for name, found in sample.members.items() if name in PICTURES), None)
