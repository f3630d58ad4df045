"""What makes a served model the same one."""

from __future__ import annotations

from recap_assets.captioning.endpoint.identity import identity
from recap_assets_tests.captioning.endpoint.asking import settings


def test_model_and_revision_count_and_the_address_does_not() -> None:
    one = settings("http://127.0.0.1:8000/v1")
    moved = settings("https://other/v1", endpoint_concurrency=3, batch=7)
    assert identity(one) == identity(moved)
    assert len(identity(one)) == 64
    others = [
        settings(one.endpoint.url if one.endpoint else "", "other"),
        settings("x", revision="2"),
    ]
    assert len({identity(one), *map(identity, others)}) == 3
