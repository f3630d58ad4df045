"""An event loop in a thread: requests go on while the captions of earlier ones are written down."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from inspect import CORO_CREATED, getcoroutinestate
from types import CoroutineType, TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
_TICK = 0.2


class Background:
    """Runs coroutines until it is left; what is not done by then is cancelled.

    Example:
        with Background() as background:
            future = background.start(work())
            print(result(future))
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="endpoint", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.cancel()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin a coroutine; see `result`."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine."""
        return result(self.start(coroutine))

    def cancel(self) -> None:
        """End everything that was started and is not done."""
        self.run(_cancel_others())


def result(future: Future[T]) -> T:
    """What a coroutine returned or raised, waited for so that Ctrl-C is heard on every system."""
    while not future.done():
        # A wait without end is one that Windows, and Linux if another thread gets the signal, do
        # not leave.
        wait([future], timeout=_TICK)
    return future.result()


async def _cancel_others() -> None:
    # Tasks on their way out may start others.
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        begun = [task for task in others if _has_begun(task)]
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
        await asyncio.sleep(0)


def _has_begun(task: asyncio.Task[Any]) -> bool:
    # What is cancelled before that never awaits the coroutines that it holds: a connection that the
    # HTTP client was about to open would be a warning.
    coroutine = task.get_coro()
    return not isinstance(coroutine, CoroutineType) or getcoroutinestate(coroutine) != CORO_CREATED
