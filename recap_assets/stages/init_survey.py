"""What `recap init` sees in a data set: the pictures and texts of the first shards' samples."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recap_assets.experiment.config import Source
from recap_assets.experiment.errors import UserError
from recap_assets.images.parquet_shard import ParquetShard
from recap_assets.images.sample import PICTURES, Sample
from recap_assets.images.shard import Shard
from recap_assets.images.sidecar import read_sidecar
from recap_assets.images.tar_shard import TarShard

#: At most this many shards and samples are looked at.
SHARDS = 4
SAMPLES = 400
_TEXT_MEMBERS = ("txt", "caption")
_DEEPEST = 3


@dataclass(frozen=True)
class Survey:
    """What the first shards hold.

    source: the format.
    shards: all that the data set has; `seen` are those that were looked at.
    pictures: samples of those by the extension of their picture, "" for none.
    texts: of some samples with a picture, the text at each place ("txt", "json.alt", "TEXT"); "" if
        empty.
    generated: the places whose texts a model wrote, as the data set itself says.
    """

    source: Source
    shards: Sequence[Shard]
    seen: list[Shard]
    pictures: Counter[str]
    texts: list[dict[str, str]]
    generated: frozenset[str]

    def filled(self, place: str) -> int:
        """In how many of `texts` there is something to read at `place`."""
        return sum(bool(text.get(place)) for text in self.texts)

    def places(self) -> list[str]:
        """Every place that has text somewhere, in the order met."""
        return list(dict.fromkeys(place for text in self.texts for place in text if text[place]))


def survey(source: Source, shards: Sequence[Shard]) -> Survey:
    """Look at some samples' texts, and at all headers of local tars, so that damage shows now.

    Raises:
        UserError: if one of the first shards is cut or damaged, or holds no picture.
    """
    seen = list(shards[:SHARDS])
    pictures: Counter[str] = Counter()
    texts: list[dict[str, str]] = []
    for shard in seen:
        found, read = _shard(shard, SAMPLES // len(seen))
        pictures += found
        texts += read
    parquet = (shard for shard in seen if isinstance(shard, ParquetShard))
    generated = frozenset(name for shard in parquet for name in shard.generated())
    return Survey(source, shards, seen, pictures, texts, generated)


def _shard(shard: Shard, most: int) -> tuple[Counter[str], list[dict[str, str]]]:
    pictures: Counter[str] = Counter()
    others: Counter[str] = Counter()
    texts: list[dict[str, str]] = []
    for sample in shard.samples():
        picture = sample.picture()
        pictures[picture.extension if picture else ""] += 1
        others.update(name for name in sample.members if name not in PICTURES)
        if picture and len(texts) < most:
            texts.append(_texts(sample))
        if len(texts) == most and not _is_cheap(shard):
            break
    if not texts:
        only = ", ".join(f".{name}" for name, _ in others.most_common(3)) or "no samples"
        raise UserError(
            f"{shard.path}: holds no picture ({only}); {shard.example} "
            f"(pictures: {', '.join(PICTURES)})"
        )
    return pictures, texts


def _is_cheap(shard: Shard) -> bool:
    """Whether all its samples can be passed over without reading pictures."""
    return isinstance(shard, TarShard) and isinstance(shard.path, Path)


def _texts(sample: Sample) -> dict[str, str]:
    """The text at every place of one sample."""
    found = {
        name: read_sidecar(sample.text, name, None).alt
        for name in _TEXT_MEMBERS
        if name in sample.members
    }
    extra = json.loads(read_sidecar(sample.text, "json", None).extra)
    columns = {name: _first(value) for name, value in (sample.record or {}).items()}
    return dict(_fields(columns, "", _DEEPEST)) | found | dict(_fields(extra, "json", _DEEPEST))


def _first(value: object) -> object:
    """Of several texts the first, as in reading."""
    if not isinstance(value, list):
        return value
    return next((one for one in value if isinstance(one, str) and one.strip()), None)


def _fields(value: dict[str, object], place: str, depth: int) -> Iterator[tuple[str, str]]:
    """The texts in a JSON object by place.

    A name with a dot has no place, and one that does not print cannot be told of.
    """
    for name, inner in value.items():
        if not name or "." in name or not name.isprintable():
            continue
        at = f"{place}.{name}" if place else name
        if isinstance(inner, str):
            yield at, inner.strip()
        elif isinstance(inner, dict) and depth > 1:
            yield from _fields(inner, at, depth - 1)
