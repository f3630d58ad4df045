"""The ways in which one request fails; that none makes sense any more is a `UserError`."""

from __future__ import annotations


class Failed(Exception):
    """This time there was no answer of use: the next time may be better.

    silent: nothing at all came from the server. after: seconds that it asks to be left alone.
    """

    def __init__(self, reason: str, *, silent: bool = False, after: float | None = None) -> None:
        super().__init__(reason)
        self.silent = silent
        self.after = after


class Nonsense(Failed):
    """An answer came, but none that the server should have given."""


class Rejected(Exception):
    """There is no caption of this picture, and asking again would change nothing."""
