"""Models of a hub: a server on this machine answers as the real one does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recap_assets.captioning.fetch import fetch
from recap_assets.captioning.files import locate
from recap_assets.captioning.load import load
from recap_assets.captioning.save import save
from recap_assets.experiment.captioner_settings import Captioner as Settings
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.pictures import small
from recap_assets_tests.hub import COMMIT, GATED, Hub, serving

#: Models that the hub refuses: status, and the header that tells the reason.
REFUSED = {
    "people/gated": GATED,
    "people/nothing": (404, "RepoNotFound"),
    "people/private": (401, "RepoNotFound"),
    "people/old": (404, "RevisionNotFound"),
    "people/down": (500, ""),
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with serving(monkeypatch, tmp_path / "cache") as found:
        found.refused = dict(REFUSED)
        yield found


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
def test_what_the_hub_refuses(hub: Hub, name: str, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        locate(f"people/{name}", "v7")
    assert str(caught.value).startswith(f"captioner people/{name} at v7: ")
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_a_hub_that_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hub: Hub
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
    hub: Hub, code: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    save(small(), folder, {})
    for name in ("pytorch_model.bin", "model.pt", "remote.py"):
        (folder / name).write_bytes(b"pickle or code")
    hub.models["people/good"] = folder
    found = locate("people/good", "main", code=code)
    assert found.folder.name == COMMIT and found.architecture == "BlipForConditionalGeneration"
    given = {sent.removeprefix("people/good/") for sent in hub.sent}
    assert not given & {"pytorch_model.bin", "model.pt"}
    assert ("remote.py" in given) is code
    assert load("people/good", Settings(model="people/good")).digest == found.digest
    # The same commit is the same model, whatever it is called.
    hub.sent.clear()
    assert locate("people/good", COMMIT, code=code).digest == found.digest
    assert not hub.sent
