"""Dagster's own pages on a project: a person materializes a new shard with the mouse."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from recap_assets.defs import sync as syncing
from recap_assets.experiment.project import Project
from recap_assets_tests import small_project

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = Path("/usr/bin/chromium")
REPOSITORY = Path(__file__).parents[2]
PATIENCE = 240.0
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHARD = "00002"
T = TypeVar("T")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}"),
]


class Server:
    """`dagster dev` on a project, asked through its GraphQL."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.log = log

    def ask(self, query: str) -> Any:
        """The answer to a query, None while the server does not answer."""
        request = urllib.request.Request(
            f"{self.url}/graphql",
            json.dumps({"query": query}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["data"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    def assets(self) -> list[str]:
        """The assets of the repository, none while the code is being loaded."""
        found = self.ask(
            "{repositoriesOrError {... on RepositoryConnection {nodes {assetNodes {"
            "assetKey {path}}}}}}"
        )
        nodes = (found or {}).get("repositoriesOrError", {}).get("nodes", [])
        return [one["assetKey"]["path"][0] for node in nodes for one in node["assetNodes"]]

    def runs(self) -> list[tuple[str, dict[str, str]]]:
        """Status and tags of the runs, the newest first."""
        found = self.ask(
            "{runsOrError(limit: 5) {... on Runs {results {status tags {key value}}}}}"
        )
        results = (found or {}).get("runsOrError", {}).get("results", [])
        return [
            (one["status"], {tag["key"]: tag["value"] for tag in one["tags"]}) for one in results
        ]


def wait(what: str, found: Callable[[], T], server: Server) -> T:
    """The first answer that is true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.process.poll() is None:
        answer = found()
        if answer:
            return answer
        time.sleep(0.5)
    tail = server.log.read_text(encoding="utf-8", errors="replace")[-3000:]
    raise AssertionError(
        f"{what}: did not come, server's exit code {server.process.returncode}\n{tail}"
    )


@pytest.fixture
def registered(built: Project) -> Project:
    """A built project with one more shard, registered and not yet indexed."""
    small_project.add_shard(built, SHARD)
    with small_project.opened(built) as instance:
        assert syncing.sync(built, instance).added == [SHARD]
    return built


@pytest.fixture
def server(registered: Project, tmp_path: Path) -> Iterator[Server]:
    """`dagster dev` as `make ui` starts it, on a free port; nothing of it is left in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "RECAP_CONFIG": str(registered.file),
        "DAGSTER_HOME": str(registered.dagster_home),
    }
    command = ["-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    log = tmp_path / "dagster-dev.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=REPOSITORY,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            started = Server(process, port, log)
            wait("the repository's assets", started.assets, started)
            yield started
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and everything it started: they share its process group."""
    for how, patience in ((signal.SIGINT, 20), (signal.SIGKILL, 20)):
        try:
            os.killpg(process.pid, how)
            process.wait(patience)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait(20)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "browser",
            executable_path=str(CHROMIUM),
            args=FLAGS,
            headless=True,
            viewport={"width": 1400, "height": 1000},
        )
        context.set_default_timeout(PATIENCE * 1000)
        try:
            yield context.pages[0] if context.pages else context.new_page()
        finally:
            context.close()


def test_a_person_materializes_a_new_shard(
    registered: Project, server: Server, page: Page, tmp_path: Path
) -> None:
    index = registered.image_index(SHARD)
    assert not index.exists()
    assert "images" in server.assets()

    page.goto(f"{server.url}/assets/images")
    page.get_by_role("button", name="Materialize").click()
    dialog = page.get_by_role("dialog").filter(has_text="Launch runs to materialize images")
    dialog.get_by_text("Select a partition").click()
    page.locator("span").filter(has_text=SHARD).first.click()
    dialog.get_by_text("1 partition", exact=True).click()  # the list of partitions closes
    page.screenshot(path=tmp_path / "dialog.png")
    dialog.get_by_role("button", name="Launch 1 run").click()

    def ended() -> list[tuple[str, dict[str, str]]]:
        mine = [run for run in server.runs() if run[1].get("dagster/partition") == SHARD]
        return [run for run in mine if run[0] in ("SUCCESS", "FAILURE", "CANCELED")]

    ((status, _),) = wait("the run of the new shard", ended, server)
    assert status == "SUCCESS"
    assert index.exists()

    page.goto(f"{server.url}/assets/images?partition={SHARD}&view=partitions")
    page.get_by_text(SHARD).first.wait_for()
    picture = tmp_path / "images.png"
    page.screenshot(path=picture)
    assert picture.stat().st_size > 10_000
