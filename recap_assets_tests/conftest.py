"""Base models, a project and a fully built project, each made once for all tests that ask."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from recap_assets.defs.execute import Outcome
from recap_assets.experiment.project import Project
from recap_assets_tests import base_models as making
from recap_assets_tests import small_project

# First calls load libraries and machines are shared, so limits of time would only fail now and
# then; so would examples that are drawn anew (`--hypothesis-profile default` draws them).
settings.register_profile(
    "recap", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("recap")


@dataclass(frozen=True)
class Built:
    """A project after its first full run, which no test may change, and what that run did."""

    project: Project
    outcome: Outcome


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """No test changes the number of torch's threads for others: sums of another are rounded
    otherwise, and two trainings far apart would differ by it."""
    before = _threads_of_torch()
    yield
    assert before in (None, _threads_of_torch())


def _threads_of_torch() -> int | None:
    """None until something imports it, which takes seconds."""
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch else None


@pytest.fixture(scope="session")
def base_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `captioner/`, `t2i/` and `detector/`."""
    return making.make(tmp_path_factory.mktemp("base"))


@pytest.fixture
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test sets of the environment is gone after it."""
    monkeypatch.setenv("RECAP_CONFIG", "")
    monkeypatch.setenv("DAGSTER_HOME", "")
    yield


@pytest.fixture
def project(base_models: Path, tmp_path: Path, _environment: None) -> Project:
    """A small project of the drawn world in which nothing was run."""
    return small_project.write(tmp_path / "project", base_models)


@pytest.fixture(scope="session")
def first_run(base_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """One full run of a small project; to be read, not changed."""
    made = small_project.write(tmp_path_factory.mktemp("built") / "project", base_models)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECAP_CONFIG", "")
        patch.setenv("DAGSTER_HOME", "")
        return Built(made, small_project.run(made))


@pytest.fixture
def built(first_run: Built, tmp_path: Path, _environment: None) -> Project:
    """A copy of the fully built project, the test's own."""
    return small_project.copy(first_run.project, tmp_path / "project")
