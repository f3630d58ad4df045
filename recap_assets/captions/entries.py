"""The captions that an entry of a mix shows: a style's own, two joined, one cut, one of several.

A caption is cut where a part ends: at one of . ! ? , ; : before a space. Of n parts the first k
stand, k drawn evenly from 1 to n by a hash of seed, epoch and uid; a comma, semicolon or colon at
the end goes. Whole parts keep a number beside what it counts, as cutting at any word would not.
Of several texts of a picture one is drawn evenly by a hash of seed, epoch and uid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import polars as pl

from recap_assets.captions.tokens import TokenCounter
from recap_assets.experiment import fingerprint
from recap_assets.experiment.mix_entry import MixEntry

_PART_END = re.compile(r"(?<=[.!?,;:])\s+")


def prefixes(caption: str) -> list[str]:
    """All that a cut may leave of a caption, shortest first; the last is the whole of it."""
    ends = [found.start() for found in _PART_END.finditer(caption)]
    return [*(caption[:end].rstrip(",;:") for end in ends), caption]


def joined(manifests: Mapping[str, pl.DataFrame], styles: Sequence[str]) -> pl.DataFrame:
    """(uid, caption) of the pictures that have a caption in every style, texts joined by a space.

    `manifests` maps each style to its caption set, as in `mix.assign`.
    """
    first, *rest = styles
    found = manifests[first].select("uid", "caption")
    for style in rest:
        more = manifests[style].select("uid", more="caption")
        both = found.join(more, on="uid", maintain_order="left")
        found = both.select("uid", caption=pl.col("caption") + " " + pl.col("more"))
    return found


def texts(manifests: Mapping[str, pl.DataFrame], name: str) -> set[str]:
    """Every text that the entry `name` may show in some epoch."""
    entry = MixEntry.parse(name)
    if entry.any:
        return set(manifests[name]["texts"].explode().drop_nulls())
    whole = joined(manifests, entry.styles)["caption"]
    return {text for caption in whole for text in prefixes(caption)} if entry.cut else set(whole)


def shown(
    manifests: Mapping[str, pl.DataFrame],
    name: str,
    epoch: int,
    seed: int,
    count: TokenCounter,
) -> pl.DataFrame:
    """(uid, caption, n_tokens_clip) that the entry `name` shows in one epoch.

    `count` gives the tokens of texts, their ends included. `manifests` maps each style to its
    caption set, and an entry that draws from several texts to (uid, texts), a list of them.
    """
    entry = MixEntry.parse(name)
    rows = _drawn(manifests[name], epoch, seed) if entry.any else joined(manifests, entry.styles)
    if entry.cut:
        cut = [_cut(caption, uid, epoch, seed) for uid, caption in rows.iter_rows()]
        rows = rows.with_columns(caption=pl.Series(cut, dtype=pl.String))
    counts = count(rows["caption"].to_list())
    return rows.with_columns(n_tokens_clip=pl.Series(counts, dtype=pl.Int32))


def _drawn(several: pl.DataFrame, epoch: int, seed: int) -> pl.DataFrame:
    """(uid, caption): one of each picture's texts."""
    rows = [
        (uid, texts[fingerprint.seed("text", seed, epoch, uid) % len(texts)])
        for uid, texts in several.iter_rows()
    ]
    return pl.DataFrame(rows, schema={"uid": pl.String, "caption": pl.String}, orient="row")


def _cut(caption: str, uid: str, epoch: int, seed: int) -> str:
    options = prefixes(caption)
    return options[fingerprint.seed("length", seed, epoch, uid) % len(options)]
