"""How arms are named, ordered and explained on the report page."""

from __future__ import annotations

import re
from dataclasses import dataclass

_KEY = re.compile(r"^(?P<name>.+)-(?P<train>both|unet|transformer|text_encoder)-s(?P<seed>\d+)$")
_NAMES = ("real", "base", "alttext", "short", "long", "mix")
_TRAINED = ("both", "unet", "transformer", "text_encoder")
_ROLES = {
    "real": "ceiling: real pictures",
    "base": "before any fine-tuning",
    "alttext": "control",
}


@dataclass(frozen=True)
class Arm:
    """An arm key taken apart; `train` and `seed` are None for `real`, `base` and foreign keys."""

    key: str
    name: str
    train: str | None
    seed: int | None

    @property
    def role(self) -> str | None:
        """What the row is for, where it is not simply a caption mix."""
        return _ROLES.get(self.name)

    @property
    def order(self) -> tuple[int, str, int, int, str]:
        """Sort key: real, base, alttext, short, long, mix, others; then weights, then seed."""
        place = _NAMES.index(self.name) if self.name in _NAMES else len(_NAMES)
        train = _TRAINED.index(self.train) if self.train in _TRAINED else len(_TRAINED)
        return place, self.name, train, -1 if self.seed is None else self.seed, self.key


def parse(key: str) -> Arm:
    """Take an arm key such as `mix-both-s0` apart; a key of another form is its own name."""
    match = _KEY.match(key)
    if match is None:
        return Arm(key, key, None, None)
    return Arm(key, match["name"], match["train"], int(match["seed"]))


def ordered(keys: list[str]) -> list[Arm]:
    """The distinct arms of `keys` in the order every table and grid of the page uses."""
    return sorted((parse(key) for key in set(keys)), key=lambda arm: arm.order)
