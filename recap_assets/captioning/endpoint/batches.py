"""The captions of a shard from an endpoint: batches in order, requests far ahead of them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

from recap_assets.captioning.endpoint.background import Background, result
from recap_assets.captioning.endpoint.best import Asked, Best
from recap_assets.captioning.endpoint.pace import Pace
from recap_assets.captioning.endpoint.shard import Shard
from recap_assets.captioning.question import Question, Source
from recap_assets.captions.generated import Generated
from recap_assets.experiment.captioner_settings import Captioner


def batches(
    settings: Captioner,
    source: Source,
    total: int,
    questions: Sequence[Question],
    batch: int = 64,
    *,
    pace: Pace = Pace(),  # noqa: B008
) -> Iterator[tuple[int, dict[str, list[Generated]]]]:
    """Batch by batch, the place of its first picture, and for each style what was made of them.

    A batch is yielded as soon as its last answer is there; requests for the next ones, a bounded
    number, are under way then and go on while the caller works. Closing the iterator, Ctrl-C or an
    error ends them all at once.

    Args:
        source: the pictures at places 0 to `total`; called in threads.
        questions: the styles asked of every picture, which is encoded once for all of them.
        batch: pictures whose captions are yielded together.
        pace: the waits before a request is made again.

    Raises:
        UserError: if the key or the reranker is not there; if the server does not answer, wants
            another key, has not the model, or had no caption for `health.HOPELESS` pictures in a
            row; as the source does. Batches before that are yielded first.
    """
    window = 2 + math.ceil(2 * _concurrency(settings) / (batch * max(1, len(questions))))
    with Background() as background:
        shard = background.run(Shard.open(settings, source, questions, pace))
        try:
            best = Best.of(settings, source, questions)
            waiting: deque[tuple[int, Future[Asked]]] = deque()
            for start in range(0, total, batch):
                stop = min(start + batch, total)
                waiting.append((start, background.start(shard.ask(start, stop))))
                if len(waiting) == window:
                    first, asked = waiting.popleft()
                    yield first, best(first, result(asked))
            for first, asked in waiting:
                yield first, best(first, result(asked))
        finally:
            background.cancel()
            background.run(shard.close())


def _concurrency(settings: Captioner) -> int:
    assert settings.endpoint is not None
    return settings.endpoint.concurrency
