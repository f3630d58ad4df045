"""The one exception that means: the user can fix this."""

from __future__ import annotations


class UserError(Exception):
    """A mistake or a missing thing on the user's side, told in one line without a traceback.

    The message names the thing, the reason and the way out, in that order.
    """
