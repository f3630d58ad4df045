"""Rules that hold for the whole repository: layers, safe loading, and commands that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from recap_assets import cli

REPOSITORY = Path(__file__).parents[1]
FILES = sorted((REPOSITORY / "recap_assets").rglob("*.py"))
README = REPOSITORY / "README.md"
UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def modules(path: Path) -> Iterator[str]:
    """Every module that a file imports anywhere."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def named(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def test_the_layers_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlinter.cli import lint_imports

    monkeypatch.chdir(REPOSITORY)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0


def test_there_are_files_to_look_at() -> None:
    assert len(FILES) > 100


@pytest.mark.parametrize("path", FILES, ids=named)
def test_nothing_that_runs_code_on_loading(path: Path) -> None:
    assert not {name.split(".")[0] for name in modules(path)} & UNSAFE
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute):
            assert ast.unparse(node) not in ("torch.load", "torch.save", "torch.hub")
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("eval", "exec", "yaml.unsafe_load")
            for argument in node.keywords:
                given = (argument.arg, ast.unparse(argument.value))
                assert given not in (("trust_remote_code", "True"), ("allow_pickle", "True"))
                assert given not in (("use_safetensors", "False"), ("safe_serialization", "False"))
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is not None and ast.unparse(key) == "'trust_remote_code'":
                    # Otherwise only where recap.yaml asks for it.
                    assert ast.unparse(value) in ("False", "settings.trust_remote_code")


@pytest.mark.parametrize("path", FILES, ids=named)
def test_every_file_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(tree(path)), path


def test_dagster_is_imported_in_its_rooms_alone() -> None:
    own = REPOSITORY / "recap_assets"
    users = {
        path for path in FILES if any(name.split(".")[0] == "dagster" for name in modules(path))
    }
    allowed = {own / "cli.py", own / "definitions.py", *(own / "defs").rglob("*.py")}
    assert users <= allowed


def test_the_front_door_is_short() -> None:
    lines = (REPOSITORY / "recap_assets" / "definitions.py").read_text(encoding="utf-8")
    assert len(lines.splitlines()) < 60


def targets() -> set[str]:
    """The targets of the Makefile that a person calls."""
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):", text, flags=re.MULTILINE))


def shown(command: str) -> set[str]:
    """What README.md names after `command`, in code."""
    text = README.read_text(encoding="utf-8")
    code = re.findall(r"`([^`\n]+)`", text) + re.findall(r"^ {4}(.+)$", text, flags=re.MULTILINE)
    return {found for line in code for found in re.findall(rf"^{command} ([a-z]+)", line)}


def test_make_has_what_people_call() -> None:
    assert {"demo", "test", "ui", "check"} <= targets()


@pytest.mark.skipif(not README.exists(), reason="there is no README.md")
class TestReadme:
    def test_its_commands_exist(self) -> None:
        known = typer.main.get_group(cli.app).commands
        assert {"init", "run", "status", "sql", "report"} <= shown("recap")
        assert shown("recap") <= set(known)

    def test_its_make_targets_exist(self) -> None:
        assert {"demo", "test"} <= shown("make")
        assert shown("make") <= targets()

    def test_its_links_lead_somewhere(self) -> None:
        links = re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8"))
        local = [link for link in links if "://" not in link]
        assert [link for link in local if not (REPOSITORY / link).exists()] == []

    def test_its_assets_exist(self) -> None:
        from recap_assets.stages.graph import STAGES

        table = re.findall(r"^\| (`.+?) \|", README.read_text(encoding="utf-8"), re.MULTILINE)
        told = {name for cell in table for name in re.findall(r"`(\w+)`", cell)}
        assert told == set(STAGES)
