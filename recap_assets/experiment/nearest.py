"""The question "did you mean ...?" for a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """ " (did you mean 'styles'?)" for the known name nearest to `name`, or "" if none is near."""
    lowered = {candidate.lower(): candidate for candidate in known}
    near = get_close_matches(name.lower(), lowered, n=1)
    return f" (did you mean {lowered[near[0]]!r}?)" if near else ""
