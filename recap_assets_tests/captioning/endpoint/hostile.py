"""A real HTTP server on loopback that behaves as badly as a test tells it to."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

MODEL = "served/model"


class Call:
    """One request, and the ways to answer it.

    number: of all chat requests, from 0. attempt: of those with the same prompt, from 0.
    """

    def __init__(self, handler: BaseHTTPRequestHandler, data: bytes, number: int) -> None:
        self._handler = handler
        self.path = handler.path
        self.headers = handler.headers
        self.asked: dict[str, Any] = json.loads(data) if data else {}
        self.number = number
        self.attempt = 0

    @property
    def prompt(self) -> str:
        content = self.asked["messages"][-1]["content"]
        return content if isinstance(content, str) else content[-1]["text"]

    def answer(self, text: object = "a wall", /, **changes: object) -> None:
        """A completion with this caption; `changes` override parts of it."""
        self.send(200, json.dumps(completion(text, **changes)).encode())

    def send(self, status: int, body: bytes, **headers: str) -> None:
        told = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
        self.begin(status, **told)
        self.write(body)

    def begin(self, status: int, **headers: str) -> None:
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name.replace("_", "-"), value)
        self._handler.end_headers()

    def write(self, body: bytes) -> None:
        self._handler.wfile.write(body)
        self._handler.wfile.flush()

    def hang_up(self) -> None:
        hang_up(self._handler)


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Reset the connection, as a server that dies does."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.rfile.close()
    handler.wfile.close()
    handler.connection.close()


def completion(text: object = "a wall", /, **changes: object) -> dict[str, Any]:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": changes.pop("finish_reason", "stop"),
    }
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [choice],
        "usage": usage,
        **changes,
    }


class _Quiet(ThreadingHTTPServer):
    """Clients that leave in the middle are nothing to tell of."""

    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        pass


Behaviour = Callable[[Call], None]


class Hostile:
    """The server, from `with` to its end. `calls` are the chat requests, `probes` the others.

    most: the most chat requests that were under way at once. stop: set when the test is over.
    """

    def __init__(self, behave: Behaviour) -> None:
        self.calls: list[Call] = []
        self.probes: list[str] = []
        self.most = 0
        self.stop = threading.Event()
        self._behave = behave
        self._under_way = 0
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = _Quiet(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        # Waiting for its threads would wait for those that hang.
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/v1"

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        data = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        with self._lock:
            call = Call(handler, data, len(self.calls))
            self.calls.append(call)
            call.attempt = self._asked[call.prompt]
            self._asked[call.prompt] += 1
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        try:
            with suppress(OSError):
                self._behave(call)
        finally:
            with self._lock:
                self._under_way -= 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        mine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body go out as two packets; waiting between them would take 40 ms.
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                mine.serve(self)

            def do_GET(self) -> None:
                mine.probes.append(self.path)
                mine.probe(self)

            def finish(self) -> None:
                with suppress(OSError):
                    super().finish()

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def probe(self, handler: BaseHTTPRequestHandler) -> None:
        """What is said to whoever asks whether the server lives."""
        handler.send_response(200)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"{}")
