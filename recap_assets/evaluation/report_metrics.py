"""Names, directions, units and number formats of the metrics on the report page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Metric:
    """One metric as people read it; `share` values lie in 0..1 and are shown in percent."""

    key: str
    label: str
    better: Literal["up", "down"] | None
    share: bool
    digits: int
    meaning: str

    @property
    def sign(self) -> int:
        """+1 where higher is better, -1 where lower is better, 0 where that is not known."""
        return {"up": 1, "down": -1, None: 0}[self.better]

    @property
    def unit(self) -> str:
        """The unit of a difference, empty where the metric has none."""
        return "points" if self.share else ""


_CATALOGUE = (
    Metric("soa_c", "SOA-C", "up", True, 1, "objects the prompt names that are found, class mean"),
    Metric("soa_i", "SOA-I", "up", True, 1, "objects the prompt names that are found, image mean"),
    Metric("ca", "CA", "down", False, 2, "counting error: root mean square of objects off"),
    Metric("pa_geo", "PA (geometric)", "up", True, 1, "stated left, right, above, below that hold"),
    Metric("pa_clip", "PA (CLIP)", "up", True, 1, "prompts preferred to their flipped twin"),
    Metric(
        "exact_scene", "Exact scene", "up", True, 1, "pictures with every object and count right"
    ),
    Metric("fid", "FID", "down", False, 2, "distance between drawn and real picture features"),
    Metric("kid", "KID", "down", False, 4, "kernel distance between drawn and real features"),
    Metric("cmmd", "CMMD", "down", False, 3, "CLIP-embedding distance to the real pictures"),
    Metric("clip_score", "CLIP score", "up", False, 2, "similarity of picture and prompt"),
)
_BY_KEY = {metric.key: metric for metric in _CATALOGUE}
_RANK = {metric.key: rank for rank, metric in enumerate(_CATALOGUE)}


def metric(key: str) -> Metric:
    """The metric of this name; an unknown one has no direction, so nothing of it is best."""
    return _BY_KEY.get(key, Metric(key, key, None, False, 3, ""))


def rank(key: str) -> tuple[int, str]:
    """Sort key: the catalogue's order, then unknown names alphabetically."""
    return _RANK.get(key, len(_RANK)), key


def finite(value: object) -> float | None:
    """`value` as a float, or None where there is no finite number to show."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def number(value: float | None, of: Metric, *, signed: bool = False) -> str:
    """`value` with the metric's digits (shares in percent), a true minus sign, a dash for None."""
    if value is None:
        return DASH
    text = f"{100 * value if of.share else value:{'+' if signed else ''},.{of.digits}f}"
    if not text.strip("+-0."):
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def interval(low: float | None, high: float | None, of: Metric, *, signed: bool = False) -> str:
    """`[low, high]` in the metric's format, or an empty string where an end is missing."""
    if low is None or high is None:
        return ""
    return f"[{number(low, of, signed=signed)}, {number(high, of, signed=signed)}]"
