"""Requests to a server until there is an answer of use, or a reason to give the picture up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from random import Random
from typing import Any, NoReturn
from urllib.parse import urljoin, urlsplit

from recap_assets.captioning.endpoint import answer, key, refusal, words
from recap_assets.captioning.endpoint.answer import Choice
from recap_assets.captioning.endpoint.connection import Connection, Reply
from recap_assets.captioning.endpoint.failures import Failed, Nonsense, Rejected
from recap_assets.captioning.endpoint.health import HOPELESS, Health
from recap_assets.captioning.endpoint.pace import Pace
from recap_assets.experiment.captioner_settings import Captioner
from recap_assets.experiment.errors import UserError

# A server that sends nonsense is up, so patience mends nothing.
_NONSENSE_RETRIES = 2
_BYTES = 1 << 20
_BYTES_PER_TOKEN = 1 << 10


class Client:
    """Asks one server, at most `endpoint.concurrency` requests at once, their waits included.

    Raises:
        UserError: if the key is not there.
    """

    def __init__(self, settings: Captioner, pace: Pace) -> None:
        assert settings.endpoint is not None
        self._settings = settings
        self._endpoint = settings.endpoint
        self._pace = pace
        self._draw = Random()
        self._health = Health()
        #: Why it makes no sense to ask on, once that is so.
        self._over: str | None = None
        self._key = key.read(settings)
        self._connection = Connection(settings.endpoint, self._key)
        self._slots = asyncio.Semaphore(settings.endpoint.concurrency)

    async def close(self) -> None:
        """Close all connections."""
        await self._connection.close()

    async def ask(self, asked: Mapping[str, Any]) -> list[Choice]:
        """The candidates that come back for a request's body, one or more.

        Raises:
            Rejected: if this request gets no answer of use, with the reason.
            UserError: if no other would get one either.
        """
        async with self._slots:
            if self._over is not None:
                raise UserError(self._over)
            try:
                return await self._until_answered(asked)
            except UserError as error:
                self._over = str(error)
                raise

    async def _until_answered(self, asked: Mapping[str, Any]) -> list[Choice]:
        data = json.dumps(asked).encode("ascii")
        failures = 0
        while True:
            try:
                return await self._attempt(data, asked)
            except Failed as error:
                failures += 1
                if failures > self._retries(error):
                    await self._give_up(error, failures)
                await asyncio.sleep(self._pace.wait(failures, error.after, self._draw))

    def _retries(self, error: Failed) -> int:
        most = self._endpoint.retries
        return min(most, _NONSENSE_RETRIES) if isinstance(error, Nonsense) else most

    async def _attempt(self, data: bytes, asked: Mapping[str, Any]) -> list[Choice]:
        tokens = int(asked["max_tokens"]) * int(asked.get("n", 1))
        reply = await self._connection.post(data, _BYTES + tokens * _BYTES_PER_TOKEN)
        if not 200 <= reply.status < 300:
            error = refusal.error(reply.status, reply.headers, self._told(reply), self._settings)
            # Several candidates at once are more than some servers do; one is asked for next.
            if isinstance(error, Rejected) and "n" not in asked:
                self._count(str(error), rejected=True)
            raise error
        found = answer.choices(reply.data, asked)
        if self._key is not None and any(self._key.is_in(one.text) for one in found):
            raise Nonsense("the caption holds the endpoint's key")
        self._health.answered()
        return [self._shown(one) for one in found]

    def _told(self, reply: Reply) -> str:
        to = reply.headers.get("location")
        if to is None or not 300 <= reply.status < 400:
            return words.of_error(reply.data, self._key)
        url = urlsplit(urljoin(self._endpoint.url, to))
        return words.line(f"to {url.scheme}://{url.netloc}{url.path}", self._key)

    def _shown(self, choice: Choice) -> Choice:
        error = choice.error
        return choice if error is None else choice._replace(error=words.line(error, self._key))

    async def _give_up(self, error: Failed, failures: int) -> NoReturn:
        reason = words.line(str(error), self._key)
        if error.silent and not await self._connection.lives():
            raise UserError(
                f"captioner {self._settings.model}: {self._endpoint.url} does not answer "
                f"({reason}; asked {failures} times); start the server or correct endpoint.url, "
                "then run again: finished batches are kept"
            )
        self._count(reason, rejected=False)
        raise Rejected(f"{reason} (asked {failures} times)")

    def _count(self, reason: str, *, rejected: bool) -> None:
        if self._health.gave_up(rejected):
            raise UserError(
                f"captioner {self._settings.model}: {self._endpoint.url} had no caption for "
                f"{HOPELESS} requests in a row ({reason}); look at the server and at the "
                "captioner's settings, then run again: finished batches are kept"
            )
