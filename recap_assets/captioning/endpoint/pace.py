"""How long to wait before a request is made again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random


@dataclass(frozen=True)
class Pace:
    """Waits that double from `first` seconds up to `most`, each shortened by up to a half.

    The draw is what keeps requests that failed together from coming back together.
    """

    first: float = 1.0
    most: float = 60.0

    def wait(self, failures: int, asked: float | None, draw: Random) -> float:
        """Seconds after so many failures, at least those that the server asked for, if bounded."""
        longest = min(self.most, self.first * 2.0 ** min(failures - 1, 30))
        own = longest * draw.uniform(0.5, 1.0)
        return max(own, min(asked or 0.0, self.most))


def retry_after(header: str | None) -> float | None:
    """The seconds of a `Retry-After` header (RFC 9110, 10.2.3: a number or a date), if it is one.

    Never negative, and never NaN.
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except ValueError:
            return None
        aware = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = (aware - datetime.now(UTC)).total_seconds()
    return None if math.isnan(seconds) else max(0.0, seconds)
