from __future__ import annotations

import threading
from itertools import count

import pytest

from recap_assets.diffusion.ahead import ahead


def test_the_same_in_the_same_order() -> None:
    assert list(ahead(lambda n: n * n, range(5))) == [0, 1, 4, 9, 16]
    assert list(ahead(str, [7])) == ["7"]
    assert list(ahead(str, [])) == []


def test_one_is_made_while_another_is_used() -> None:
    made = [threading.Event() for _ in range(4)]
    for place, _ in enumerate(ahead(threading.Event.set, made)):
        assert made[min(place + 1, 3)].wait(10)


def test_nothing_is_made_further_ahead() -> None:
    made: list[int] = []
    stream = ahead(made.append, count())
    for used in range(1, 5):
        next(stream)
        assert used <= len(made) <= used + 1
    stream.close()


def test_an_error_comes_at_its_place() -> None:
    stream = ahead(lambda n: 1 // (2 - n), range(4))
    assert [next(stream), next(stream)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(stream)
