"""All questions of a shard's pictures to one server, with few pictures in memory at once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from recap_assets.captioning.endpoint.answer import Choice
from recap_assets.captioning.endpoint.candidates import Asker
from recap_assets.captioning.endpoint.client import Client
from recap_assets.captioning.endpoint.pace import Pace
from recap_assets.captioning.endpoint.pictures import data_url
from recap_assets.captioning.question import Question, Source
from recap_assets.experiment.captioner_settings import Captioner
from recap_assets.experiment.cores import cores

# So many pictures are read from the shard together.
_READ = 4
_READERS = 4


class Shard:
    """Reads pictures in threads and asks every question of each. Belongs to one event loop."""

    def __init__(
        self, settings: Captioner, source: Source, questions: Sequence[Question], pace: Pace
    ) -> None:
        assert settings.endpoint is not None
        self._settings = settings
        self._source = source
        self._questions = questions
        self._client = Client(settings, pace)
        self._asker = Asker(self._client, settings)
        self._readers = ThreadPoolExecutor(min(_READERS, cores()), "pictures")
        under_way = 2 * settings.endpoint.concurrency / (_READ * max(1, len(questions)))
        self._room = asyncio.Semaphore(1 + math.ceil(under_way))
        #: Set once the part that was begun last may send its requests.
        self._turn = asyncio.Event()
        self._turn.set()

    @classmethod
    async def open(
        cls, settings: Captioner, source: Source, questions: Sequence[Question], pace: Pace
    ) -> Self:
        """One in the running event loop. Raises UserError if the key is not there."""
        return cls(settings, source, questions, pace)

    async def close(self) -> None:
        """Close all connections, and read no more pictures."""
        self._readers.shutdown(wait=False, cancel_futures=True)
        await self._client.close()

    async def ask(self, start: int, stop: int) -> list[list[list[Choice]]]:
        """For each picture from place `start` up to `stop`, for each question, its candidates.

        Raises:
            UserError: if there is no sense in asking on; as the source does.
        """
        parts = [self._part(first, min(first + _READ, stop)) for first in range(start, stop, _READ)]
        return [one for part in await asyncio.gather(*parts) for one in part]

    async def _part(self, start: int, stop: int) -> list[list[list[Choice]]]:
        before, mine = self._turn, asyncio.Event()
        self._turn = mine
        async with self._room:
            pictures = await self._pictures(start, stop, before, mine)
            asked = [
                self._asker.ask(question, start + at, picture if question.picture else None)
                for at, picture in enumerate(pictures)
                for question in self._questions
            ]
            choices = await asyncio.gather(*asked)
        each = len(self._questions)
        return [list(choices[at : at + each]) for at in range(0, len(choices), each)]

    async def _pictures(
        self, start: int, stop: int, before: asyncio.Event, mine: asyncio.Event
    ) -> Sequence[str | None]:
        """As `_read`, once the part before has its own: else its requests, which are waited for,
        might wait for those of pictures that were read sooner."""
        loop = asyncio.get_running_loop()
        try:
            pictures = await loop.run_in_executor(self._readers, self._read, start, stop)
            await before.wait()
        finally:
            mine.set()
        return pictures

    def _read(self, start: int, stop: int) -> Sequence[str | None]:
        """The pictures as data URLs; none where no question shows them."""
        if not any(question.picture for question in self._questions):
            return [None] * (stop - start)
        return [data_url(one, self._settings) for one in self._source(start, stop)]
