"""What `recap init` sees in a data set: the members and texts of the first shards' samples."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from recap_assets.experiment.errors import UserError
from recap_assets.images.row import PICTURES
from recap_assets.images.sidecar import read_sidecar
from recap_assets.images.sources import ShardSource, open_shard
from recap_assets.images.tars import Sample, samples

#: At most this many shards and samples are looked at.
SHARDS = 4
SAMPLES = 400
_TEXT_MEMBERS = ("txt", "caption")
_DEEPEST = 3


@dataclass(frozen=True)
class Survey:
    """What the first shards hold.

    shards: how many the data set has; `seen` are those that were looked at.
    pictures: samples of those by the extension of their picture, "" for none.
    texts: of some samples with a picture, the text at each place ("txt", "json.alt"); "" if empty.
    """

    shards: int
    seen: list[ShardSource]
    pictures: Counter[str]
    texts: list[dict[str, str]]

    def filled(self, place: str) -> int:
        """In how many of `texts` there is something to read at `place`."""
        return sum(bool(text.get(place)) for text in self.texts)

    def places(self) -> list[str]:
        """Every place that has text somewhere, in the order met."""
        return list(dict.fromkeys(place for text in self.texts for place in text if text[place]))


def survey(sources: Sequence[ShardSource]) -> Survey:
    """Read all headers of the first shards, so that damage shows now, and some samples' texts.

    Raises:
        UserError: if one of them is no plain tar, is cut or damaged, or holds no picture.
    """
    seen = list(sources[:SHARDS])
    pictures: Counter[str] = Counter()
    texts: list[dict[str, str]] = []
    for source in seen:
        found, read = _shard(source, SAMPLES // len(seen))
        pictures += found
        texts += read
    return Survey(len(sources), seen, pictures, texts)


def _shard(source: ShardSource, most: int) -> tuple[Counter[str], list[dict[str, str]]]:
    pictures: Counter[str] = Counter()
    others: Counter[str] = Counter()
    texts: list[dict[str, str]] = []
    with open_shard(source.path) as file:
        for sample in samples(source.path):
            picture = next((name for name in sample.members if name in PICTURES), "")
            pictures[picture] += 1
            others.update(name for name in sample.members if name not in PICTURES)
            if picture and len(texts) < most:
                texts.append(_texts(file, sample))
    if not texts:
        only = ", ".join(f".{name}" for name, _ in others.most_common(3)) or "no samples"
        raise UserError(
            f"{source.path}: holds no picture ({only}); a webdataset tar has members such as "
            f"0001.jpg and 0001.txt (pictures: {', '.join(PICTURES)})"
        )
    return pictures, texts


def _texts(file: BinaryIO, sample: Sample) -> dict[str, str]:
    """The text at every place of one sample."""
    read = partial(_bytes, file, sample)
    found = {
        name: read_sidecar(read, name, None).alt for name in _TEXT_MEMBERS if name in sample.members
    }
    extra = json.loads(read_sidecar(read, "json", None).extra)
    return found | dict(_fields(extra, "json", _DEEPEST))


def _bytes(file: BinaryIO, sample: Sample, extension: str) -> bytes | None:
    member = sample.members.get(extension)
    if member is None:
        return None
    file.seek(member.offset)
    return file.read(member.size)


def _fields(value: dict[str, object], place: str, depth: int) -> Iterator[tuple[str, str]]:
    """The texts in a JSON object by place.

    A name with a dot has no place, and one that does not print cannot be told of.
    """
    for name, inner in value.items():
        if not name or "." in name or not name.isprintable():
            continue
        if isinstance(inner, str):
            yield f"{place}.{name}", inner.strip()
        elif isinstance(inner, dict) and depth > 1:
            yield from _fields(inner, f"{place}.{name}", depth - 1)
