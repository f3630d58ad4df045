"""The captions of a shard from an endpoint: batches in order, requests far ahead of them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

from recap_assets.captioning.endpoint.answer import Choice
from recap_assets.captioning.endpoint.background import Background, result
from recap_assets.captioning.endpoint.candidates import Reranker, best, generated
from recap_assets.captioning.endpoint.pace import Pace
from recap_assets.captioning.endpoint.shard import Shard
from recap_assets.captioning.question import Generated, Question, Source
from recap_assets.experiment.captioner_settings import Captioner

#: For each picture of a batch, for each question, its candidates.
Asked = list[list[list[Choice]]]


def batches(
    settings: Captioner,
    source: Source,
    total: int,
    questions: Sequence[Question],
    batch: int = 64,
    *,
    reranker: Reranker | None = None,
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
        reranker: chooses among candidates. Without one their mean log-probabilities do, and where
            the server tells none, the first candidate is taken.
        pace: the waits before a request is made again.

    Raises:
        UserError: if the key is not there; if the server does not answer, wants another key, has
            not the model, or had no caption for `health.HOPELESS` pictures in a row; as the source
            does. Batches before that are yielded first.
    """
    window = 2 + math.ceil(2 * _concurrency(settings) / (batch * max(1, len(questions))))
    with Background() as background:
        shard = background.run(Shard.open(settings, source, questions, pace))
        try:
            waiting: deque[tuple[int, Future[Asked]]] = deque()
            for start in range(0, total, batch):
                stop = min(start + batch, total)
                waiting.append((start, background.start(shard.ask(start, stop))))
                if len(waiting) == window:
                    first, asked = waiting.popleft()
                    yield first, _chosen(result(asked), first, questions, source, reranker)
            for first, asked in waiting:
                yield first, _chosen(result(asked), first, questions, source, reranker)
        finally:
            background.cancel()
            background.run(shard.close())


def _concurrency(settings: Captioner) -> int:
    assert settings.endpoint is not None
    return settings.endpoint.concurrency


def _chosen(
    asked: Asked,
    start: int,
    questions: Sequence[Question],
    source: Source,
    reranker: Reranker | None,
) -> dict[str, list[Generated]]:
    made: dict[str, list[Generated]] = {}
    for at, question in enumerate(questions):
        rows = [choices[at] for choices in asked]
        if reranker is not None and any(len(choices) > 1 for choices in rows):
            chosen = _reranked(rows, start, source, reranker)
        else:
            chosen = [best(choices) for choices in rows]
        made[question.style] = [generated(one) for one in chosen]
    return made


def _reranked(
    rows: Sequence[Sequence[Choice]], start: int, source: Source, reranker: Reranker
) -> list[Choice]:
    # Read once more: all pictures under way would be too many to keep.
    pictures = source(start, start + len(rows))
    places = reranker(pictures, [[one.text for one in choices] for choices in rows])
    return [choices[place] for choices, place in zip(rows, places, strict=True)]
