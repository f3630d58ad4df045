"""The rule for names that become partition keys and folder names."""

from __future__ import annotations

import re

from recap_assets.experiment.errors import UserError

#: The style whose captions are the source's own.
ALT = "alt"
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_LONGEST = 100


def check_key(kind: str, key: str) -> str:
    """Return `key` if it may name a partition, for example `check_key("style", "long")`.

    A key has 1 to 100 characters of A-Z a-z 0-9 _ - and starts with a letter or a digit, so that it
    is one folder name on every system and never meets the separators of partition ranges.

    Raises:
        UserError: if the key breaks the rule.
    """
    if _KEY.fullmatch(key):
        return key
    raise UserError(
        f"{kind} {_shown(key)}: a key is 1 to 100 letters, digits, '_' or '-' "
        f"and starts with a letter or digit; rename it"
    )


def step_key(arm: str, step: int) -> str:
    """The key of an arm's weights after `step` steps, such as "mix-both-s0-step100"."""
    return f"{arm}-step{step}"


def _shown(key: str) -> str:
    return repr(key) if len(key) <= _LONGEST else f"{key[:_LONGEST]!r}... ({len(key)} characters)"
