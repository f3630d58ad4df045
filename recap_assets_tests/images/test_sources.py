"""Patterns to shards, on real folders."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from recap_assets.experiment.errors import UserError
from recap_assets.images.locations import open_file
from recap_assets.images.sources import ShardSource, expand


@pytest.fixture
def locate(tmp_path: Path) -> Callable[[str], str]:
    for name in ("00009", "00010", "00011", "b-1"):
        (tmp_path / "shards").mkdir(exist_ok=True)
        (tmp_path / "shards" / f"{name}.tar").touch()
    return lambda url: url if "://" in url else str(tmp_path / url)


def keys(found: list[ShardSource]) -> list[str]:
    return [source.key for source in found]


def test_brace_ranges_as_bash_expands_them(locate: Callable[[str], str], tmp_path: Path) -> None:
    pattern = "shards/{00009..00011}.tar"
    shell = subprocess.run(
        ["bash", "-c", f"echo {pattern}"], capture_output=True, text=True, check=True
    )
    found = expand(pattern, locate)
    assert [str(source.path.relative_to(tmp_path)) for source in found] == shell.stdout.split()
    assert keys(found) == ["00009", "00010", "00011"]


def test_globs_and_lists_are_sorted_by_key(locate: Callable[[str], str]) -> None:
    assert keys(expand("shards/*.tar", locate)) == ["00009", "00010", "00011", "b-1"]
    assert keys(expand(["shards/b-1.tar", "shards/000{10,09}.tar"], locate)) == [
        "00009",
        "00010",
        "b-1",
    ]
    assert keys(expand("**/*1.tar", locate)) == ["00011", "b-1"]


def test_a_project_folder_may_hold_glob_and_brace_signs(tmp_path: Path) -> None:
    folder = tmp_path / "my [1] {a,b} *"
    folder.mkdir()
    (folder / "0.tar").touch()
    assert keys(expand("*.tar", lambda url: str(folder / url))) == ["0"]
    assert keys(expand("root://*.tar", lambda url: str(folder / url.split("://")[1]))) == ["0"]


def test_a_file_named_like_a_pattern_is_found(tmp_path: Path) -> None:
    (tmp_path / "[x]").mkdir()
    (tmp_path / "[x]" / "0.tar").touch()
    assert keys(expand("[x]/0.tar", lambda url: str(tmp_path / url))) == ["0"]


def test_file_urls_are_local(locate: Callable[[str], str], tmp_path: Path) -> None:
    (source,) = expand(f"file://{tmp_path}/shards/00009.tar", locate)
    assert source == ShardSource("00009", tmp_path / "shards" / "00009.tar")


@pytest.mark.parametrize(
    ("urls", "message"),
    [
        ([], "list is empty"),
        ("shards/x*.tar", r"x\*\.tar: no file matches"),
        ("shards/{00009..00012}.tar", r"00012\.tar: no such file"),
        ("shards", "is a folder; name the tars in it"),
        ("shards/{00009..00010.tar", "unbalanced braces"),
        ("xyz://host/0.tar", "xyz://host/0.tar: cannot be reached"),
        ("memory://none-there/*.tar", "no file matches"),
        (["shards/00009.tar", "shards/*9.tar"], "'00009': named twice"),
    ],
)
def test_mistakes_say_what_to_do(
    locate: Callable[[str], str], urls: str | list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        expand(urls, locate)


@pytest.mark.skipif(find_spec("s3fs") is not None, reason="the driver is installed")
def test_a_missing_driver_is_named(locate: Callable[[str], str]) -> None:
    with pytest.raises(UserError, match=r"s3://bucket/0\.tar: s3: .*pip install s3fs"):
        expand("s3://bucket/{0..9}.tar", locate)


def test_two_tars_of_one_name_are_refused_with_both_paths(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "0.tar").touch()
    with pytest.raises(UserError, match=r"a/0\.tar and .*b/0\.tar"):
        expand("*/0.tar", lambda url: str(tmp_path / url))


@pytest.mark.parametrize("name", ["a.b.tar", "a b.tar", "-a.tar", "ä.tar"])
def test_a_name_that_cannot_be_a_key_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UserError, match="shard"):
        expand("*.tar", lambda url: str(tmp_path / url))


def test_opening_a_folder_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        open_file(tmp_path)
