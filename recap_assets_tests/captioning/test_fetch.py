"""Models of a hub: a server on this machine answers as the real one does."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from recap_assets.captioning.fetch import fetch
from recap_assets.captioning.files import locate
from recap_assets.captioning.load import load
from recap_assets.captioning.save import save
from recap_assets.experiment.captioner_settings import Captioner as Settings
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.pictures import small

COMMIT = "c" * 40
#: What the hub sends for a model of this name: status, and the header that tells the reason.
ANSWERS = {
    "gated": (403, "GatedRepo"),
    "nothing": (404, "RepoNotFound"),
    "private": (401, "RepoNotFound"),
    "old": (404, "RevisionNotFound"),
    "down": (500, ""),
}


class _Hub(BaseHTTPRequestHandler):
    """files: what `people/good` has, at its one commit. given: the names of those sent."""

    files: ClassVar[dict[str, bytes]] = {}
    given: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        if "people/good" in self.path:
            self._good()
            return
        name = next(name for name in ANSWERS if f"people/{name}" in self.path)
        status, code = ANSWERS[name]
        self._send(status, b"", {"X-Error-Code": code, "X-Error-Message": f"about {name}"})

    do_HEAD = do_GET  # noqa: N815

    def _good(self) -> None:
        name = self.path.rpartition("/")[2]
        if self.path.startswith("/api/"):
            told: object = {"id": "people/good", "sha": COMMIT}
            if "/tree/" in self.path:
                told = [
                    {"type": "file", "path": file, "size": len(data), "oid": COMMIT}
                    for file, data in self.files.items()
                ]
            self._send(200, json.dumps(told).encode(), {"Content-Type": "application/json"})
            return
        data = self.files[name]
        if self.command == "GET":
            self.given.add(name)
        tag = hashlib.sha256(data).hexdigest()
        self._send(200, data, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for header, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(header, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gated", "only to those who accepted its terms; accept them on its page and log in"),
        ("nothing", "neither a folder nor on the hub, or private there; correct the name"),
        ("private", "neither a folder nor on the hub, or private there; correct the name"),
        ("old", "it has no revision 'v7'; name one of its commits, branches or tags"),
        ("down", "neither a folder nor to be had from the hub"),
    ],
)
def test_what_the_hub_refuses(hub: None, name: str, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        locate(f"people/{name}", "v7")
    assert str(caught.value).startswith(f"captioner people/{name} at v7: ")
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_a_hub_that_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hub: None
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="reranker people/x: neither a folder nor to be had"):
        fetch("reranker", "people/x")


def test_a_name_that_no_hub_can_have(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="captioner a//b: neither a folder nor"):
        locate("a//b")
    with pytest.raises(UserError, match="there is no such folder; correct the path"):
        locate(tmp_path / "x")


@pytest.mark.parametrize("code", [False, True])
def test_a_model_of_the_hub_without_pickles_and_with_code_only_where_it_is_allowed(
    hub: None, code: bool, tmp_path: Path
) -> None:
    save(small(), tmp_path / "model", {})
    mine = {file.name: file.read_bytes() for file in (tmp_path / "model").iterdir()}
    others = {"pytorch_model.bin": b"pickle", "model.pt": b"pickle", "remote.py": b"code"}
    _Hub.files, _Hub.given = mine | others, set()
    found = locate("people/good", "main", code=code)
    assert found.folder.name == COMMIT and found.architecture == "BlipForConditionalGeneration"
    assert not _Hub.given & {"pytorch_model.bin", "model.pt"}
    assert ("remote.py" in _Hub.given) is code
    assert load("people/good", Settings(model="people/good")).digest == found.digest
    # The same commit is the same model, whatever it is called.
    _Hub.given.clear()
    assert locate("people/good", COMMIT, code=code).digest == found.digest
    assert not _Hub.given
