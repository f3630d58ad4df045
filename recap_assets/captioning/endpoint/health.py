"""Whether a server is worth asking at all, from how its requests went so far."""

from __future__ import annotations

#: So many pictures in a row without a caption, and the fault is not theirs.
HOPELESS = 16


class Health:
    """Counts the pictures given up since the last answer of use."""

    def __init__(self) -> None:
        self._answered = False
        self._given_up = 0

    def answered(self) -> None:
        """An answer of use came back."""
        self._answered = True
        self._given_up = 0

    def gave_up(self, rejected: bool) -> bool:
        """A picture has no caption; whether this makes it hopeless to go on.

        A server that answered some pictures may reject any number of others: those are too large,
        or against its rules.
        """
        if not (rejected and self._answered):
            self._given_up += 1
        return self._given_up >= HOPELESS
