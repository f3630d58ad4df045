"""COCO captions as shards: a JSON of images and annotations, and the folder with the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from recap_assets.experiment.fingerprint import digest
from recap_assets.images import folder_shard
from recap_assets.images.folder import Listing, listing
from recap_assets.images.folder_sample import picture, sample
from recap_assets.images.json_stream import elements
from recap_assets.images.locations import Stamp, stamp_of
from recap_assets.images.sample import Sample
from recap_assets.images.shard import Bytes

Record = dict[str, object]


@dataclass(frozen=True)
class CocoShard:
    """The images of the JSON at `path` whose names fall into one bucket; pictures lie in `images`.

    A sample's record is the image's own, with `caption`, the first of its captions, and `captions`.
    """

    key: str
    path: Path
    images: Path
    number: int
    buckets: int
    seen: Listing = field(repr=False, compare=False)

    table = None
    example = "COCO captions have images with a file_name in the folder dataset.images"

    def samples(self) -> Iterator[Sample]:
        """As `Shard.samples`, sorted by name; the records of the shard are held."""
        images = self._images()
        captions = self._captions(set(images))
        for identity, record in sorted(images.items(), key=lambda one: str(one[1]["file_name"])):
            texts = captions.get(identity, [])
            told = {**record, "caption": next(iter(texts), ""), "captions": texts}
            yield sample(self.images, str(record["file_name"]), told, beside=False)

    @contextmanager
    def open(self) -> Iterator[Bytes]:
        """As `Shard.open`."""
        yield lambda key, offset, size: picture(self.images, key, size)

    def stamp(self) -> Stamp:
        """The state of the JSON, and of the bucket's pictures as the folder was listed."""
        pictures = self.seen.stamps.get(self.number, Stamp(0, ""))
        return Stamp(pictures.size, digest([stamp_of(self.path), pictures])[:32])

    def again(self) -> CocoShard:
        """The shard in the folder as it is now."""
        return replace(self, seen=listing(self.images, self.buckets))

    def sha256(self) -> str | None:
        """None: reading every picture costs as much as indexing them."""
        return None

    def _images(self) -> dict[object, Record]:
        found: dict[object, Record] = {}
        for element in elements(self.path, "images"):
            if not isinstance(element, dict) or not isinstance(element.get("file_name"), str):
                continue
            if folder_shard.owns(self.seen, self.number, self.buckets, element["file_name"]):
                found.setdefault(_id(element.get("id")), element)
        return found

    def _captions(self, wanted: set[object]) -> dict[object, list[str]]:
        found: dict[object, list[str]] = {}
        for element in elements(self.path, "annotations"):
            identity = _id(element.get("image_id")) if isinstance(element, dict) else None
            if identity in wanted and isinstance(element, dict):
                text = element.get("caption")
                if isinstance(text, str) and text.strip():
                    found.setdefault(identity, []).append(text.strip())
        return found


def shards(path: Path, images: Path, buckets: int) -> list[CocoShard]:
    """The shards of one JSON.

    Raises:
        UserError: if the folder is none or has no pictures.
    """
    return [
        CocoShard(one.key, path, images, one.number, buckets, one.seen)
        for one in folder_shard.shards(images, buckets)
    ]


def _id(value: object) -> object:
    return value if isinstance(value, int | str) else None
