"""A model hub on this machine: folders that huggingface_hub downloads over HTTP on loopback."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
#: A refusal: what a model answers to those who did not accept its terms.
GATED = (403, "GatedRepo")


class Hub(ThreadingHTTPServer):
    """Serves `models`, folders by their id, at the revisions "main" and `COMMIT`.

    refused: ids to the status and the reason that everybody gets. sent: the files that were
    downloaded, as "id/file".
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.models: dict[str, Path] = {}
        self.refused: dict[str, tuple[int, str]] = {}
        self.sent: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        about = parts[:2] == ["api", "models"]
        owner, name, *rest = parts[2:] if about else parts
        model, revision = f"{owner}/{name}", rest[1] if len(rest) > 1 else "main"
        if model in self.server.refused:
            return self._error(*self.server.refused[model])
        if model not in self.server.models:
            return self._error(404, "RepoNotFound")
        if revision not in {"main", COMMIT}:
            return self._error(404, "RevisionNotFound")
        if about:
            return self._send(self._about(model, rest), with_body)
        return self._file(model, "/".join(rest[2:]), with_body)

    def _about(self, model: str, rest: list[str]) -> bytes:
        folder = self.server.models[model]
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        names = [path.relative_to(folder).as_posix() for path in files]
        if rest[:1] == ["tree"]:
            sizes = [path.stat().st_size for path in files]
            rows = [
                {"type": "file", "path": name, "size": size, "oid": COMMIT}
                for name, size in zip(names, sizes, strict=True)
            ]
            return json.dumps(rows).encode()
        siblings = [{"rfilename": name} for name in names]
        return json.dumps({"id": model, "sha": COMMIT, "siblings": siblings}).encode()

    def _file(self, model: str, name: str, with_body: bool) -> None:
        path = self.server.models[model] / name
        if not path.is_file():
            return self._error(404, "EntryNotFound")
        if with_body:
            self.server.sent.append(f"{model}/{name}")
        return self._send(path.read_bytes(), with_body)

    def _send(self, body: bytes, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _error(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is told of requests."""


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[Hub]:
    """A hub that huggingface_hub takes for the real one, with a cache of its own."""
    from huggingface_hub import constants, hf_api

    hub = Hub()
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hf_api.api, "endpoint", hub.url)
    thread = threading.Thread(target=hub.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()
