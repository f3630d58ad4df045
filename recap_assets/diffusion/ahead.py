"""Work done in a thread while the one before is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Asked = TypeVar("Asked")
Made = TypeVar("Made")


def ahead(make: Callable[[Asked], Made], asked: Iterable[Asked]) -> Iterator[Made]:
    """`map(make, asked)`, each made in a thread while the one before is used, never two before.

    Raises whatever `make` raises, at its place.
    """
    with ThreadPoolExecutor(1) as thread:
        coming: Future[Made] | None = None
        for one in asked:
            last, coming = coming, thread.submit(make, one)
            if last is not None:
                yield last.result()
        if coming is not None:
            yield coming.result()
