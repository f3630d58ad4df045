"""An event loop in a thread: requests go on while the captions of earlier ones are written down."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from types import TracebackType
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
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
