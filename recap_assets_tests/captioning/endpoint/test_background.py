"""Work in a loop's thread is ended whole, and none before it has begun."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any

import pytest

from recap_assets.captioning.endpoint.background import Background, result


async def _forever(done: list[str], name: str) -> None:
    done.append(f"{name} begun")
    try:
        await asyncio.Event().wait()
    finally:
        done.append(f"{name} ended")


async def _wrapped(inner: Coroutine[Any, Any, None]) -> None:
    await inner


def test_what_is_not_done_is_cancelled_when_the_block_is_left() -> None:
    done: list[str] = []
    with Background() as background:
        future = background.start(_forever(done, "a"))
        background.run(asyncio.sleep(0))
    assert done == ["a begun", "a ended"]
    with pytest.raises(CancelledError):
        result(future)


def test_a_child_whose_parent_has_failed_is_cancelled_too() -> None:
    done: list[str] = []

    async def parent() -> None:
        children.append(asyncio.create_task(_forever(done, "child")))
        await asyncio.sleep(0)
        raise ValueError("no")

    children: list[asyncio.Task[None]] = []
    with Background() as background, pytest.raises(ValueError, match="no"):
        background.run(parent())
    assert done == ["child begun", "child ended"]


def test_a_task_that_has_not_begun_begins_before_it_is_cancelled() -> None:
    """Else what it was to wait for is "never awaited": HTTP clients start connections like this."""
    done: list[str] = []

    async def parent() -> None:
        canceller.start()
        # The loop stands still, until what cancels is next in its queue.
        time.sleep(0.2)
        await asyncio.sleep(0)
        children.append(asyncio.create_task(_wrapped(_forever(done, "child"))))
        await asyncio.Event().wait()

    children: list[asyncio.Task[None]] = []
    with Background() as background:
        canceller = threading.Thread(target=background.cancel)
        future = background.start(parent())
        with pytest.raises(CancelledError):
            result(future)
        canceller.join()
    assert done == ["child begun", "child ended"]
