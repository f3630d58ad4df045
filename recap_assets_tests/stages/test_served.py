"""A whole pipeline whose captioner is on a server, a real one on loopback."""

from __future__ import annotations

import pytest

from recap_assets.captions.recipe import Recipe
from recap_assets.experiment.project import Project
from recap_assets.stages import recipes
from recap_assets.stages.refresh import refreshing
from recap_assets_tests import small_project
from recap_assets_tests.captioning.endpoint.hostile import MODEL, Call, Hostile
from recap_assets_tests.small_project import change, ran, run

STEPS = "images,captioner,recaptions,caption_manifest"
KEY = "sk-the-key-of-this-test"


def served(project: Project, url: str) -> Project:
    endpoint = {"url": url, "key": "TEST_KEY", "retries": 0}
    change(project, "captioners.recap", {"model": MODEL, "endpoint": endpoint, "tune": None})
    change(project, "styles.brief", {"prompt": "{long}!", "captioner": "recap", "picture": False})
    return change(project, "human", {"urls": None, "captions": {"short": None, "long": None}})


def captions(project: Project, style: str) -> list[tuple[str, str]]:
    its: Recipe = recipes.recipe(project, style)
    found: list[tuple[str, str]] = []
    for shard in ("00000", "00001"):
        rows = recipes.store(project).read(its, shard)
        assert rows is not None
        found += rows.select("status", "caption").iter_rows()
    return found


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)


def test_captions_come_from_the_server_once(project: Project) -> None:
    small_project.drawn(project)

    def behave(call: Call) -> None:
        call.answer(f"said of {call.prompt}")

    with Hostile(behave) as server:
        project = served(project, server.url)
        assert sum(ran(run(project, STEPS))["recaptions"].values()) == 48
        assert len(server.calls) == 48
        assert set(captions(project, "long")) == {("ok", "said of long caption:")}
        assert set(captions(project, "brief")) == {("ok", "said of said of long caption:!")}
        pictured = [c for c in server.calls if "image_url" in str(c.asked["messages"])]
        assert len(pictured) == 32
        assert ran(run(project, STEPS)) == {}
        assert len(server.calls) == 48
    for name, data in small_project.files(project.file.parent).items():
        assert KEY.encode() not in data, name


def test_a_picture_that_the_server_refuses_is_a_row_that_can_be_asked_again(
    project: Project,
) -> None:
    small_project.drawn(project)
    refuse = True

    def behave(call: Call) -> None:
        if refuse and call.number == 3:
            call.send(400, b'{"error": {"message": "too odd"}}')
        else:
            call.answer("a wall")

    with Hostile(behave) as server:
        project = served(project, server.url)
        change(project, "styles.brief", None)
        project = change(project, "gates.caption_error_rate", 1.0)
        run(project, STEPS)
        statuses = [status for style in ("short", "long") for status, _ in captions(project, style)]
        assert sorted(statuses) == ["error", *["ok"] * 31]
        refuse = False
        with refreshing("errors"):
            assert sum(ran(run(project, STEPS))["recaptions"].values()) == 1
        assert len(server.calls) == 33
