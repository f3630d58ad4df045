"""The captions people wrote: a few pictures with every style's text, split in two."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappush, heappushpop

import polars as pl

from recap_assets.captions import content, status
from recap_assets.experiment import fingerprint
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.keys import check_key
from recap_assets.images.decode import MAX_PIXELS, DecodeError, decode
from recap_assets.images.sample import LARGEST_PICTURE, Sample
from recap_assets.images.shard import Shard
from recap_assets.images.sidecar import read_sidecar

HUMAN = pl.Schema(
    {
        "uid": pl.String(),
        "key": pl.String(),
        "image_sha256": pl.String(),
        "style": pl.String(),
        "caption": pl.String(),
        "split": pl.String(),
        "alt": pl.String(),
        "extra": pl.String(),
        "image": pl.Binary(),
    }
)
LEAST = 2
#: Fewer captions than these are learnt by heart rather than from; 100 are a good start.
FEW = 50


@dataclass(frozen=True)
class HumanCaptions:
    """People's captions and what was passed over on the way.

    frame: `HUMAN` columns, a row per picture and style, sorted; `split` is train or validation, the
        same for all styles of a picture; `alt` and `extra` are its alt-text and JSON as an image
        index has them; `image` holds the encoded picture as it lies in its shard.
    skipped: samples without a picture, without a caption in some style, with a picture seen before,
        or with one that cannot be decoded, by reason.
    warnings: what to tell the user about the size of the set, one line each.
    """

    frame: pl.DataFrame
    skipped: dict[str, int]
    warnings: list[str]


@dataclass(frozen=True)
class _Picture:
    key: str
    sha256: str
    data: bytes
    captions: dict[str, str]
    alt: str
    extra: str

    @property
    def uid(self) -> str:
        return self.sha256[:32]


def read_human(
    shards: Sequence[Shard],
    captions: Mapping[str, str],
    images: int,
    validation: float,
    seed: int,
    max_pixels: int = MAX_PIXELS,
    alt: str = "",
) -> HumanCaptions:
    """Pick `images` pictures that decode and have a caption of every style in `captions`.

    Pictures are picked by a hash of (`seed`, uid), so neither the order nor the packing of the
    `shards` matters; of pictures that occur twice the first counts. `captions` maps a style to
    where its text lies: a member's extension (`txt`), a field of the JSON (`json.short`) or a
    column; `alt` is such a place of the alt-text, unless people's captions lie there. Of the picked
    ones the share `validation` in [0, 1), at least one picture if it is above 0, goes to
    validation: those first by another hash.

    Raises:
        UserError: if no style is named, a shard cannot be read, or fewer than two pictures are
        usable.
    """
    if not captions:
        raise UserError(
            "human captions: no style is named; say in human.captions where each one's text lies"
        )
    for style in captions:
        check_key("style", style)
    skipped: Counter[str] = Counter()
    # A prompt that shows the alt-text would show the answer.
    alt = "" if alt in captions.values() else alt
    found = _pick(_pictures(shards, captions, alt, skipped), images, seed, max_pixels, skipped)
    if len(found) < LEAST:
        raise UserError(_too_few(len(found), captions, skipped))
    held = _validation([picture.uid for picture in found], validation, seed)
    return HumanCaptions(_frame(found, held), dict(skipped), _warnings(len(found), images))


def content_digest(frame: pl.DataFrame, style: str) -> str:
    """64 hex digits over the sorted (image_sha256, caption, split) of one style's rows."""
    return content.content_digest(
        frame.filter(pl.col("style") == style), ("image_sha256", "caption", "split")
    )


def _pictures(
    shards: Sequence[Shard], captions: Mapping[str, str], alt: str, skipped: Counter[str]
) -> Iterator[_Picture]:
    """Every sample with a picture and all captions."""
    for shard in shards:
        for sample in shard.samples():
            picture = _picture(sample, captions, alt, skipped)
            if picture is not None:
                yield picture


def _picture(
    sample: Sample, captions: Mapping[str, str], alt: str, skipped: Counter[str]
) -> _Picture | None:
    member = sample.picture()
    if member is None or member.size > LARGEST_PICTURE:
        skipped["no picture" if member is None else "picture too large"] += 1
        return None
    texts = {
        style: status.clean(read_sidecar(sample.text, place, None, sample.record).alt)
        for style, place in captions.items()
    }
    if not all(texts.values()):
        skipped["no caption"] += 1
        return None
    beside = read_sidecar(sample.text, alt, None, sample.record)
    data = sample.read(member)
    sha256 = hashlib.sha256(data).hexdigest()
    return _Picture(sample.key, sha256, data, texts, beside.alt, beside.extra)


def _pick(
    pictures: Iterator[_Picture], images: int, seed: int, max_pixels: int, skipped: Counter[str]
) -> list[_Picture]:
    """The `images` usable pictures of the smallest hash; no more than these are ever in memory."""
    heap: list[tuple[int, str, _Picture]] = []
    for picture in pictures:
        rank = fingerprint.seed("human", seed, picture.uid)
        if len(heap) == images and rank > -heap[0][0]:
            continue
        if any(uid == picture.uid for _, uid, _ in heap):
            skipped["repeated picture"] += 1
        elif not _decodes(picture, max_pixels):
            skipped["undecodable picture"] += 1
        else:
            entry = (-rank, picture.uid, picture)
            heappush(heap, entry) if len(heap) < images else heappushpop(heap, entry)
    return [picture for _, _, picture in heap]


def _decodes(picture: _Picture, max_pixels: int) -> bool:
    try:
        decode(picture.data, max_pixels)
    except DecodeError:
        return False
    return True


def _validation(uids: Sequence[str], share: float, seed: int) -> set[str]:
    """The pictures to validate on, by rank of a hash: a threshold could leave a small set none."""
    ranked = sorted(uids, key=lambda uid: fingerprint.seed("split", seed, uid))
    count = min(len(uids) - 1, max(1, round(share * len(uids)))) if share > 0 else 0
    return set(ranked[:count])


def _frame(pictures: Sequence[_Picture], held: set[str]) -> pl.DataFrame:
    rows = [
        {
            "uid": picture.uid,
            "key": picture.key,
            "image_sha256": picture.sha256,
            "style": style,
            "caption": caption,
            "split": "validation" if picture.uid in held else "train",
            "alt": picture.alt,
            "extra": picture.extra,
            "image": picture.data,
        }
        for picture in pictures
        for style, caption in picture.captions.items()
    ]
    return pl.DataFrame(rows, schema=HUMAN).sort("uid", "style")


def _too_few(usable: int, captions: Mapping[str, str], skipped: Counter[str]) -> str:
    reasons = ", ".join(f"{reason}: {count}" for reason, count in sorted(skipped.items()))
    places = ", ".join(f"{style} in {place}" for style, place in captions.items())
    return (
        f"human captions: {usable} usable pictures ({reasons or 'no samples'}), {LEAST} needed; "
        f"write captions ({places}) beside the pictures or name other shards in human.urls"
    )


def _warnings(usable: int, images: int) -> list[str]:
    warnings = []
    if usable < images:
        warnings.append(
            f"human captions: {usable} usable pictures where human.images asks for {images}"
        )
    if usable < FEW:
        warnings.append(
            f"human captions: {usable} pictures are few to tune a captioner on; "
            "write more, 100 are a good start"
        )
    return warnings
