"""What to do with a caption of more tokens than the text encoder reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import polars as pl

from recap_assets.captions.mix import Mix
from recap_assets.experiment.errors import UserError

OverLimit = Literal["drop", "truncate", "resample"]


@dataclass
class Chosen:
    """The captions of one epoch, in the order asked for, and what the limit did to it.

    uids, styles, captions: one entry per picture that is shown; a dropped one is in none of them.
    over: pictures whose drawn caption is too long. missing: those without a caption in the style
    drawn.
    truncated, resampled, dropped: what became of these; they add up to over + missing.
    """

    uids: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)
    over: int = 0
    missing: int = 0
    truncated: int = 0
    resampled: int = 0
    dropped: int = 0


def within(tokens: Mapping[str, int], drawn: str, limit: int, policy: OverLimit) -> list[str]:
    """The styles a picture may be shown with, given the one drawn for it; none where it is dropped.

    Args:
        tokens: the length of each caption that the picture has, by style.
        drawn: the style drawn; a picture without a caption in it is treated as if it were too long.
        limit: the most tokens that fit.
        policy: `drop` leaves the picture out, `truncate` keeps the caption for the tokenizer to cut
            (and leaves the picture out where there is none), `resample` takes any of its captions
            that fits.

    Raises:
        UserError: if `policy` is none of the three.
    """
    if policy not in get_args(OverLimit):
        raise UserError(
            f"over_limit {policy!r}: unknown; choose one of {', '.join(get_args(OverLimit))}"
        )
    if drawn in tokens and (tokens[drawn] <= limit or policy == "truncate"):
        return [drawn]
    if policy == "resample":
        return sorted(style for style, length in tokens.items() if length <= limit)
    return []


def choose(
    manifests: Mapping[str, pl.DataFrame],
    mix: Mix,
    uids: Sequence[str],
    epoch: int,
    seed: int,
    limit: int,
    policy: OverLimit,
) -> Chosen:
    """Draw a style for each of `uids` and hold its caption to `limit` tokens. Call it once an
    epoch.

    `manifests` maps each style of the mix to its caption set (`manifest.MANIFEST`).

    Raises:
        UserError: if a style of the mix has no caption set, or captions that have no token counts.
    """
    captions = {style: _counted(manifests, style) for style in mix.styles}
    chosen = Chosen()
    for uid in uids:
        own = {style: rows[uid] for style, rows in captions.items() if uid in rows}
        drawn = mix.draw(uid, epoch, seed)
        styles = within({style: count for style, (_, count) in own.items()}, drawn, limit, policy)
        style = mix.draw(uid, epoch, seed, among=styles) if styles else None
        _count(chosen, None if drawn not in own else own[drawn][1] > limit, drawn, style)
        if style is not None:
            chosen.uids.append(uid)
            chosen.styles.append(style)
            chosen.captions.append(own[style][0])
    return chosen


def _count(chosen: Chosen, too_long: bool | None, drawn: str, style: str | None) -> None:
    """Count one picture; `too_long` is None where the drawn caption is missing."""
    chosen.missing += too_long is None
    chosen.over += too_long is True
    chosen.dropped += style is None
    chosen.resampled += style is not None and style != drawn
    chosen.truncated += too_long is True and style == drawn


def _counted(manifests: Mapping[str, pl.DataFrame], style: str) -> dict[str, tuple[str, int]]:
    """(caption, tokens) by uid."""
    if style not in manifests:
        raise UserError(
            f"mix: no caption set of style {style!r}; run `recap run --select caption_manifest`"
        )
    rows = manifests[style].select("uid", "caption", "n_tokens_clip")
    if rows["n_tokens_clip"].null_count():
        raise UserError(
            f"style {style!r}: captions without token counts; caption the shards again with "
            "`--refresh all`"
        )
    return {uid: (caption, count) for uid, caption, count in rows.iter_rows()}
