"""A mix: which of a picture's captions an epoch shows, drawn by hash and not by turn."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import polars as pl

from recap_assets.experiment import fingerprint
from recap_assets.experiment.errors import UserError


@dataclass(frozen=True)
class Mix:
    """Styles and their weights; only the ratios matter, `{"short": 1, "long": 1}` draws half of
    each.

    Raises:
        UserError: if there is no style or a weight is not a positive number.
    """

    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        for style, weight in self.weights.items():
            if not (math.isfinite(weight) and weight > 0):
                raise UserError(
                    f"mix weight of {style!r}: {weight} is no number above 0; leave the style out"
                )
        if not self.weights:
            raise UserError("mix: it names no style; give at least one, for example {alt: 1}")

    @property
    def styles(self) -> list[str]:
        """The styles in the order that draws use, which is by name."""
        return sorted(self.weights)

    def draw(self, uid: str, epoch: int, seed: int, among: Collection[str] | None = None) -> str:
        """The style of one picture in one epoch, decided by the arguments and the weights alone.

        With `among` only these styles of the mix take part, by a draw that does not depend on the
        unrestricted one, so that replacing a style leaves the others' ratios as they are.
        """
        styles = self.styles if among is None else sorted(set(self.weights) & set(among))
        salt = [] if among is None else styles
        limits = list(accumulate(self.weights[style] for style in styles))
        point = fingerprint.seed("mix", seed, epoch, uid, *salt) / 2**63 * limits[-1]
        return next(
            (s for s, limit in zip(styles, limits, strict=True) if point < limit), styles[-1]
        )


def shared(manifests: Mapping[str, pl.DataFrame]) -> list[str]:
    """The uids that every one of the caption sets has, sorted: what arms can be compared on."""
    sets = [set(frame["uid"]) for frame in manifests.values()]
    return sorted(set[str].intersection(*sets)) if sets else []


def assign(
    manifests: Mapping[str, pl.DataFrame], mix: Mix, uids: Sequence[str], epoch: int, seed: int
) -> list[str]:
    """The caption that each of `uids` is shown with in an epoch, in their order. Call it once an
    epoch.

    `manifests` maps each style of the mix to its caption set (columns uid and caption).

    Raises:
        UserError: if a picture has no caption in the style drawn for it; no other
            caption is put in its place.
    """
    captions = {style: _captions(manifests, style) for style in mix.styles}
    drawn = [(uid, mix.draw(uid, epoch, seed)) for uid in uids]
    missing = [(uid, style) for uid, style in drawn if uid not in captions[style]]
    if missing:
        uid, style = missing[0]
        raise UserError(
            f"mix: {len(missing)} of {len(drawn)} pictures lack the caption drawn for them, first "
            f"{uid} in style {style!r}; train on the pictures that every style captions"
        )
    return [captions[style][uid] for uid, style in drawn]


def _captions(manifests: Mapping[str, pl.DataFrame], style: str) -> dict[str, str]:
    if style not in manifests:
        raise UserError(
            f"mix: no caption set of style {style!r}; run `recap run --select caption_manifest`"
        )
    return dict(manifests[style].select("uid", "caption").iter_rows())
