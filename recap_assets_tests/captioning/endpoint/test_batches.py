"""Batches in order, many requests at once but never too many, and an end when it is time."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence

import pytest
from PIL import Image

from recap_assets.captioning.endpoint.batches import batches
from recap_assets.experiment.errors import UserError
from recap_assets_tests.alive import wait_until
from recap_assets_tests.captioning.endpoint.asking import FAST, Pictures, answers, ask, question
from recap_assets_tests.captioning.endpoint.asking import settings as made_settings
from recap_assets_tests.captioning.endpoint.hostile import Call, Hostile


def echo(call: Call) -> None:
    call.answer(call.prompt)


@pytest.mark.parametrize("concurrency", [1, 3, 8])
def test_so_many_requests_are_under_way_and_never_more(concurrency: int) -> None:
    """Each answer waits until as many requests have come, which would fail if fewer could."""
    together = threading.Barrier(concurrency)

    def behave(call: Call) -> None:
        together.wait(20)
        echo(call)

    with Hostile(behave) as server:
        made = answers(server.url, 5 * concurrency, endpoint_concurrency=concurrency)
    assert [one.text for one in made] == [f"short {n}" for n in range(5 * concurrency)]
    assert server.most == concurrency
    assert len(server.calls) == 5 * concurrency


def test_answers_that_come_backwards_are_put_in_order() -> None:
    """Each waits until all after it were answered."""
    left = threading.Semaphore(0)
    turns = [threading.Event() for _ in range(10)]

    def behave(call: Call) -> None:
        place = int(call.prompt.split()[1])
        if place < 9:
            assert turns[place + 1].wait(20)
        echo(call)
        turns[place].set()
        left.release()

    with Hostile(behave) as server:
        made = list(ask(server.url, 10, endpoint_concurrency=10))
    assert [start for start, _ in made] == [0, 2, 4, 6, 8]
    assert [one.text for _, rows in made for one in rows["short"]] == [
        f"short {n}" for n in range(10)
    ]


def test_pictures_that_are_read_sooner_are_not_asked_about_sooner() -> None:
    """The batch that somebody waits for would wait for them."""
    came = threading.Event()

    class Slow(Pictures):
        def __call__(self, start: int, stop: int) -> list[Image.Image]:
            if start == 0:
                came.wait(1)
            return super().__call__(start, stop)

    def behave(call: Call) -> None:
        came.set()
        echo(call)

    with Hostile(behave) as server:
        one = made_settings(server.url, endpoint_concurrency=1)
        list(batches(one, Slow(6), 6, [question(6)], 2, pace=FAST))
    assert [call.prompt for call in server.calls] == [f"short {n}" for n in range(6)]


def test_a_batch_comes_while_later_ones_are_under_way() -> None:
    late = threading.Event()

    def behave(call: Call) -> None:
        if int(call.prompt.split()[1]) >= 2:
            assert late.wait(20)
        echo(call)

    with Hostile(behave) as server:
        made = ask(server.url, 6, endpoint_concurrency=4)
        assert next(made)[0] == 0
        # They go on without anybody waiting for them.
        wait_until(lambda: len(server.calls) == 6)
        late.set()
        assert [start for start, _ in made] == [2, 4]


def test_requests_run_ahead_in_bounds() -> None:
    """With nobody taking the second batch, no more are asked for than the window holds."""
    with Hostile(echo) as server:
        pictures = Pictures(400)
        made = batches(
            made_settings(server.url, endpoint_concurrency=4),
            pictures,
            400,
            [question(400)],
            4,
            pace=FAST,
        )
        next(made)
        wait_until(lambda: len(server.calls) >= 16)
        time.sleep(0.3)
        asked = len(server.calls)
        made.close()
    # 2 batches, and those of twice as many requests as may be under way.
    assert asked == 4 * (2 + 2)
    assert sum(pictures.read) == asked


def test_every_style_is_asked_over_one_reading_of_the_picture() -> None:
    with Hostile(echo) as server:
        pictures = Pictures(9)
        asked = [question(9), question(9, "long", max_tokens=90)]
        made = list(batches(made_settings(server.url), pictures, 9, asked, 4, pace=FAST))
    assert [(start, [len(rows) for rows in its.values()]) for start, its in made] == [
        (0, [4, 4]),
        (4, [4, 4]),
        (8, [1, 1]),
    ]
    for style in ("short", "long"):
        texts = [one.text for _, its in made for one in its[style]]
        assert texts == [f"{style} {n}" for n in range(9)]
    assert pictures.read == [1] * 9


def test_questions_without_pictures_read_none() -> None:
    with Hostile(echo) as server:
        pictures = Pictures(3)
        asked = [question(3, picture=False)]
        ((_, made),) = batches(made_settings(server.url), pictures, 3, asked, pace=FAST)
    assert [one.text for one in made["short"]] == ["short 0", "short 1", "short 2"]
    assert pictures.read == [0, 0, 0]


def test_nothing_to_caption_asks_nothing() -> None:
    with Hostile(echo) as server:
        assert answers(server.url, 0) == []
    assert server.calls == []


def test_a_source_that_fails_is_told_after_the_batches_before() -> None:
    class Changed(Pictures):
        def __call__(self, start: int, stop: int) -> list[Image.Image]:
            if stop > 4:
                raise UserError("the shard changed; index it again")
            return super().__call__(start, stop)

    with Hostile(echo) as server:
        made = batches(made_settings(server.url), Changed(10), 10, [question(10)], 2, pace=FAST)
        starts = []
        with pytest.raises(UserError, match="the shard changed"):
            for start, _ in made:
                starts.append(start)
    assert starts == [0, 2]


def threads() -> Sequence[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith(("endpoint", "pict"))]


def test_closing_ends_what_is_under_way() -> None:
    def behave(call: Call) -> None:
        echo(call) if int(call.prompt.split()[1]) < 2 else server.stop.wait()

    with Hostile(behave) as server:
        made = ask(server.url, 100)
        next(made)
        began = time.monotonic()
        made.close()
        assert time.monotonic() - began < 15
        # Those that were sent before may still come in.
        time.sleep(0.3)
        calls = len(server.calls)
        time.sleep(0.1)
        assert len(server.calls) == calls
        wait_until(lambda: not threads())


def test_ctrl_c_ends_the_wait_at_once() -> None:
    def behave(call: Call) -> None:
        if call.number == 0:
            os.kill(os.getpid(), signal.SIGINT)
        server.stop.wait()

    # A shell without job control starts what is in its background with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Hostile(behave) as server:
            began = time.monotonic()
            with pytest.raises(KeyboardInterrupt):
                answers(server.url, 50, endpoint_timeout=100.0)
            assert time.monotonic() - began < 15
    finally:
        signal.signal(signal.SIGINT, before)
