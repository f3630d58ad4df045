"""Waits between attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random

import pytest

from recap_assets.captioning.endpoint.pace import Pace, retry_after


def test_waits_double_up_to_a_bound_and_differ() -> None:
    pace, draw = Pace(first=1.0, most=60.0), Random(0)
    for failures, longest in ((1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (5000, 60.0)):
        waits = [pace.wait(failures, None, draw) for _ in range(200)]
        assert longest / 2 <= min(waits) < 0.6 * longest
        assert 0.9 * longest < max(waits) <= longest


def test_the_server_may_ask_for_more_in_bounds() -> None:
    pace, draw = Pace(first=1.0, most=60.0), Random(0)
    assert pace.wait(1, 17.0, draw) == 17.0
    assert pace.wait(1, 1e9, draw) == 60.0
    assert pace.wait(7, 0.0, draw) >= 30.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("nan", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_in_seconds(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds


def test_retry_after_as_a_date() -> None:
    def header(seconds: int) -> str:
        return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)

    assert 28 <= (retry_after(header(30)) or 0) <= 30
    assert retry_after(header(-30)) == 0
    assert retry_after("Wed, 99 Foo 2026 00:00:00 GMT") is None
    assert (retry_after("1" * 400) or 0) > 60
