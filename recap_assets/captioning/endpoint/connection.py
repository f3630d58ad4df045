"""The way to one server: where the key goes, how long an answer may take and how much it may be."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Generator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

import httpx2

from recap_assets.captioning.endpoint.failures import Failed, Nonsense
from recap_assets.captioning.endpoint.key import Key
from recap_assets.experiment.captioner_settings import Endpoint

_CONNECT = 10.0
_ERROR_BYTES = 1 << 16


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class Connection:
    """Kept connections to an endpoint. Belongs to one event loop; close it there."""

    def __init__(self, endpoint: Endpoint, key: Key | None) -> None:
        self._url = endpoint.url.rstrip("/")
        self._timeout = endpoint.timeout
        if key is not None:
            # At DEBUG it shows the headers of answers, in which a server may repeat the key.
            logging.getLogger("httpcore2").setLevel(logging.INFO)
        self._run = f"recap-{uuid.uuid4().hex}"
        self._asked: list[int] = []
        secure = self._url.startswith("https:")
        self._http = httpx2.AsyncClient(
            auth=_Bearer(key) if key is not None else None,
            # A body that is not packed cannot grow when it is unpacked.
            headers={"Accept-Encoding": "identity", "User-Agent": "recap-assets"},
            timeout=httpx2.Timeout(None, connect=min(_CONNECT, self._timeout)),
            limits=httpx2.Limits(),
            follow_redirects=False,
            # A proxy only passes on what is encrypted to the server itself.
            trust_env=secure,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def post(self, body: bytes, most: int) -> Reply:
        """The answer to a chat completion's request, of at most `most` bytes.

        Raises:
            Failed: if none came in time, or an answer that has no end, or is not to this request.
        """
        self._asked.append(hash(body))
        name = f"{self._run}-{len(self._asked) - 1}"
        headers = {"Content-Type": "application/json", "X-Request-Id": name}
        request = self._http.stream(
            "POST", f"{self._url}/chat/completions", content=body, headers=headers
        )
        reply = await self._whole(request, most, self._timeout)
        self._check_names(reply, hash(body))
        return reply

    def _check_names(self, reply: Reply, asked: int) -> None:
        """Nonsense where an answer has the name of another request than one that asked the same.

        Most servers repeat the name in a header or in the answer's id; of others nothing is known.
        """
        said = reply.data + reply.headers.get("x-request-id", "").encode()
        for found in re.finditer(rb"%b-(\d{1,18})" % self._run.encode(), said):
            number = int(found[1])
            if number >= len(self._asked) or self._asked[number] != asked:
                raise Nonsense("the answer is to another request")

    async def lives(self) -> bool:
        """Whether anything answers there, whatever it says."""
        request = self._http.stream("GET", f"{self._url}/models")
        try:
            await self._whole(request, _ERROR_BYTES, min(_CONNECT, self._timeout))
        except Failed as error:
            return not error.silent
        return True

    async def _whole(
        self,
        request: AbstractAsyncContextManager[httpx2.Response],
        most: int,
        seconds: float,
    ) -> Reply:
        silent = True
        try:
            async with asyncio.timeout(seconds), request as response:
                silent = False
                data = await _read(response, most)
                return Reply(response.status_code, response.headers, data)
        except TimeoutError:
            raise Failed(f"no whole answer within {seconds:g} s", silent=silent) from None
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise Failed(reason, silent=silent) from None


class _Bearer(httpx2.Auth):
    """Puts the key into each request just before it leaves, so that nothing else holds it."""

    def __init__(self, key: Key) -> None:
        self._key = key

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = self._key.header
        yield request


async def _read(response: httpx2.Response, most: int) -> bytes:
    """The body. That of an error is cut where it gets long; Nonsense where a success does."""
    success = response.is_success
    limit = most if success else min(most, _ERROR_BYTES)
    data = bytearray()
    async for chunk in response.aiter_raw():
        data += chunk
        if len(data) > limit:
            if success:
                raise Nonsense(f"an answer of more than {most} bytes came back")
            break
    return bytes(data[:limit])
