"""Mixes of the literature by name, for `mix: NAME` in recap.yaml; data, with where each is from."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import Any, NamedTuple

from recap_assets.experiment.keys import ALT
from recap_assets.experiment.mix_entry import MixEntry
from recap_assets.experiment.nearest import did_you_mean

#: Stands for the style `long` or, where there is none, for the only style.
_SYNTHETIC = "*"
_SHARE = re.compile(r"p=(\d+(?:\.\d+)?|\.\d+)")


class Preset(NamedTuple):
    """Entries to weights, and the work that they are from."""

    weights: dict[str, float]
    source: str


PRESETS = {
    "alt": Preset({ALT: 1}, "RECAP's control on alt-text, arXiv 2310.16656"),
    "short": Preset({"short": 1}, "RECAP Short, arXiv 2310.16656"),
    "long": Preset({"long": 1}, "RECAP Long, arXiv 2310.16656"),
    "mix50": Preset(
        {"short": 1, "long": 1}, "RECAP Mix, arXiv 2310.16656; the half is from descriptions of it"
    ),
    "dalle3_95_5": Preset(
        {_SYNTHETIC: 95, ALT: 5}, "DALL-E 3 report, which mixes 5 % of people's text, here alt-text"
    ),
    "sd3_50_50": Preset(
        {_SYNTHETIC: 1, ALT: 1}, "Stable Diffusion 3, arXiv 2403.03206, from descriptions of it"
    ),
    "random_length": Preset(
        {f"{_SYNTHETIC}:random_length": 1},
        "after Brack et al., arXiv 2506.16679; how they draw lengths is unverified",
    ),
    "fusion": Preset(
        {f"{_SYNTHETIC}+{ALT}": 1},
        "after CapsFusion and VeCLIP, which fuse by a language model; here both texts stand whole",
    ),
}


def weights(name: str, styles: Collection[str]) -> dict[str, float]:
    """The mix that `name` stands for, where `styles` are those that recap.yaml has beside `alt`.

    `name` is a style or an entry of styles, a name in `PRESETS`, or "p=<share>": that share of the
    synthetic style and the rest of alt-text.

    Raises:
        ValueError: if it is none of these, or no style can stand for the synthetic one.
    """
    if set(MixEntry.parse(name).styles) <= {ALT, *styles}:
        return {name: 1.0}
    if found := _SHARE.fullmatch(name):
        chosen = _of_share(float(found[1]), name)
    elif name in PRESETS:
        chosen = PRESETS[name].weights
    else:
        known = [*PRESETS, "p=0.7"]
        raise ValueError(
            f"no mix {name!r}{did_you_mean(name, known)}; name a style, write weights such as "
            f"{{alt: 1}}, or one of {', '.join(known)}"
        )
    return {_named(entry, name, styles): float(weight) for entry, weight in chosen.items()}


def with_named_mixes(settings: Any) -> Any:
    """Raw settings of a recap.yaml with weights where an arm's mix is a name.

    Raises:
        ValueError: as `weights`, with the arm's place.
    """
    arms = settings.get("arms") if isinstance(settings, dict) else None
    if not isinstance(arms, dict):
        return settings
    styles = settings.get("styles")
    known = list(styles) if isinstance(styles, dict) else []
    return settings | {"arms": {name: _resolved(name, arm, known) for name, arm in arms.items()}}


def _resolved(name: str, arm: Any, styles: list[str]) -> Any:
    if not (isinstance(arm, dict) and isinstance(arm.get("mix"), str)):
        return arm
    try:
        return arm | {"mix": weights(arm["mix"], styles)}
    except ValueError as error:
        raise ValueError(f"arms.{name}.mix: {error}") from None


def _of_share(share: float, name: str) -> dict[str, float]:
    if not (math.isfinite(share) and share <= 1):
        raise ValueError(f"{name!r}: a share is from 0 to 1; write p=0.7 for 70 %")
    # Rounded, so that p=0.7 is the same mix as {long: 0.7, alt: 0.3}.
    found = {_SYNTHETIC: share, ALT: round(1 - share, 12)}
    return {entry: weight for entry, weight in found.items() if weight}


def _named(entry: str, name: str, styles: Collection[str]) -> str:
    if _SYNTHETIC not in entry:
        return entry
    if "long" in styles:
        return entry.replace(_SYNTHETIC, "long")
    if len(styles) != 1:
        raise ValueError(
            f"{name!r} needs a style 'long' or a single style, and there are "
            f"{', '.join(styles) or 'none'}; write the weights instead"
        )
    return entry.replace(_SYNTHETIC, next(iter(styles)))
