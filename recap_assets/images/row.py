"""One sample as one index row: which member is its picture, and what became of it."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from PIL import Image

from recap_assets.images.decode import DecodeError, decode
from recap_assets.images.near import difference_hash
from recap_assets.images.reading import Reading
from recap_assets.images.sample import LARGEST_PICTURE, PICTURES, Member, Sample
from recap_assets.images.sidecar import read_sidecar

Row = dict[str, object]


class _Outcome(NamedTuple):
    status: str
    error: str | None
    width: int | None
    height: int | None
    phash: int | None = None


class RowMaker:
    """Makes the rows of one shard in its order; keeps digests and keys to know repeats by."""

    def __init__(self, shard: str, reading: Reading) -> None:
        self._shard = shard
        self._reading = reading
        self._keys: set[str] = set()
        self._pictures: dict[str, tuple[str, _Outcome]] = {}

    def row(self, sample: Sample) -> Row:
        """The row of `sample`, columns as in `schema.INDEX`."""
        reading = self._reading
        text = read_sidecar(sample.text, reading.caption, reading.url, sample.record, reading.lines)
        picture = sample.picture()
        data = sample.read(picture) if picture and picture.size <= LARGEST_PICTURE else b""
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
            "phash": outcome.phash,
        }

    def _outcome(
        self, sample: Sample, picture: Member | None, data: bytes, sha256: str
    ) -> _Outcome:
        if picture is None:
            only = f" (only {', '.join(sample.members)})" if sample.members else ""
            return _Outcome("error", f"no picture{only}", None, None)
        if picture.size > LARGEST_PICTURE:
            reason = f"{picture.size} bytes are more than {LARGEST_PICTURE}"
            return _Outcome("error", reason, None, None)
        if sha256 in self._pictures:
            first, known = self._pictures[sha256]
            return known._replace(status="duplicate", error=f"same picture as {first}")
        try:
            outcome = self._ok(decode(data, self._reading.max_pixels))
        except DecodeError as error:
            return _Outcome("error", error.reason, None, None)
        self._pictures[sha256] = (sample.key, outcome)
        return outcome

    def _ok(self, image: Image.Image) -> _Outcome:
        phash = difference_hash(image) if self._reading.near_duplicates else None
        return _Outcome("ok", None, *image.size, phash)

    def _notes(self, sample: Sample, picture: Member | None) -> list[str]:
        notes = [f"{rejected.name} not read: {rejected.reason}" for rejected in sample.rejected]
        several = [extension for extension in sample.members if extension in PICTURES]
        if picture and len(several) > 1:
            notes.append(f"{picture.extension} taken of {', '.join(several)}")
        if sample.key in self._keys:
            notes.append("the shard has this key more than once")
        return notes
