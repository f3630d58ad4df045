"""Remembers what was found about inputs while one question is answered or one partition is built.

The version of an arm asks for its caption sets, these for every shard, and so on: without a memory
the same footers would be read over and over. Only what was found is kept, never that something was
missing, so a build that makes it is not misled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_memory: ContextVar[dict[Any, Any] | None] = ContextVar("recap_memory", default=None)


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """Within `remembering`, answer the same question of the same project once."""

    @wraps(function)
    def answer(*args: P.args, **kwargs: P.kwargs) -> R:
        memory = _memory.get()
        if memory is None:
            return function(*args, **kwargs)
        project, *rest = args
        question = (function, id(project), *rest, *sorted(kwargs.items()))
        if question not in memory:
            memory[question] = function(*args, **kwargs)
        return memory[question]

    return answer


@contextmanager
def remembering() -> Iterator[None]:
    """A block in which the inputs do not change; blocks do not share what they remember."""
    token = _memory.set({})
    try:
        yield
    finally:
        _memory.reset(token)
