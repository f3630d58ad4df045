"""Files and folders that appear whole or not at all, whatever goes wrong."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import polars as pl
import pytest

from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError

REPOSITORY = Path(__file__).parents[2]
MEGABYTE = 1 << 20


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_bytes_and_text_arrive_as_given(tmp_path: Path) -> None:
    atomic.write_bytes(tmp_path / "new" / "folder" / "a.bin", b"\x00\r\n")
    atomic.write_text(tmp_path / "a.txt", "é\n\r\n")
    assert (tmp_path / "new" / "folder" / "a.bin").read_bytes() == b"\x00\r\n"
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa9\n\r\n"
    assert names(tmp_path) == ["a.txt", "new"]


def test_json_is_readable_and_ends_with_a_line_end(tmp_path: Path) -> None:
    value = {"b": ["é", 1.5, None], "a": {}}
    atomic.write_json(tmp_path / "a.json", value)
    raw = (tmp_path / "a.json").read_bytes()
    assert json.loads(raw) == value
    assert raw.endswith(b"}\n")
    assert "é".encode() in raw


def test_json_that_cannot_be_said_leaves_the_old_file(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "a.json", 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic.write_json(tmp_path / "a.json", float("nan"))
    assert (tmp_path / "a.json").read_bytes() == b"1\n"


def test_new_files_have_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        atomic.write_text(tmp_path / "a", "")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_parquet_is_read_by_another_reader_with_its_metadata(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"uid": ["a", "b"], "n": [1, None], "score": [0.5, 1.5]},
        schema={"uid": pl.String, "n": pl.Int32, "score": pl.Float64},
    )
    path = tmp_path / "a.parquet"
    atomic.write_parquet(path, frame, {"recipe": "é", "style": "long"})
    with duckdb.connect() as reader:
        rows = reader.execute(f"select * from '{path}' order by uid").fetchall()
        kinds = reader.execute(f"describe select * from '{path}'").fetchall()
        packed = reader.execute(f"select distinct compression from parquet_metadata('{path}')")
        assert packed.fetchall() == [("ZSTD",)]
    assert rows == [("a", 1, 0.5), ("b", None, 1.5)]
    assert [kind[1] for kind in kinds] == ["VARCHAR", "INTEGER", "DOUBLE"]
    assert pl.read_parquet(path).equals(frame)
    assert atomic.read_parquet_metadata(path) == {"recipe": "é", "style": "long"}


def test_equal_frames_give_equal_parquet_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        atomic.write_parquet(tmp_path / name, pl.DataFrame({"x": ["u", None]}), {"k": "v"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_empty_frame_keeps_its_columns_and_needs_no_metadata(tmp_path: Path) -> None:
    empty = pl.DataFrame(schema={"when": pl.Datetime("us", "UTC"), "n": pl.Int64})
    atomic.write_parquet(tmp_path / "a.parquet", empty)
    assert pl.read_parquet(tmp_path / "a.parquet").schema == empty.schema
    assert atomic.read_parquet_metadata(tmp_path / "a.parquet") == {}


@pytest.mark.parametrize("content", [None, b"", b"not parquet at all"])
def test_metadata_of_no_parquet_is_told_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match="not a readable Parquet file") as caught:
        atomic.read_parquet_metadata(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, FileNotFoundError])
@pytest.mark.parametrize("there_before", [False, True])
def test_a_failing_writer_changes_nothing(
    tmp_path: Path, failure: type[BaseException], there_before: bool
) -> None:
    path = tmp_path / "a.safetensors"
    if there_before:
        path.write_bytes(b"old")
    before = names(tmp_path)
    with pytest.raises(failure), atomic.file(path) as temporary:
        temporary.write_bytes(b"half of i")
        raise failure(2, "another file", "/elsewhere")
    assert names(tmp_path) == before
    assert not there_before or path.read_bytes() == b"old"


@pytest.mark.parametrize("there_before", [False, True])
def test_a_failing_writer_of_a_folder_changes_nothing(tmp_path: Path, there_before: bool) -> None:
    path = tmp_path / "model"
    if there_before:
        path.mkdir()
        (path / "old.bin").write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic.directory(path) as temporary:
        (temporary / "new.bin").write_bytes(b"new")
        raise RuntimeError("no luck")
    assert names(tmp_path) == (["model"] if there_before else [])
    assert not there_before or names(path) == ["old.bin"]


def test_a_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "model"
    for name in ("one.bin", "two.bin"):
        with atomic.directory(path) as temporary:
            (temporary / "sub").mkdir()
            (temporary / "sub" / name).write_bytes(b"x")
            assert temporary.parent == path.parent
            assert temporary.name.startswith(".tmp-")
    assert names(path / "sub") == ["two.bin"]
    assert names(path.parent) == ["model"]


@pytest.mark.parametrize("kind", ["file", "link", "broken link"])
def test_a_folder_replaces_whatever_has_its_name(tmp_path: Path, kind: str) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    path = tmp_path / "model"
    if kind == "file":
        path.write_bytes(b"")
    else:
        path.symlink_to(kept if kind == "link" else tmp_path / "none")
    with atomic.directory(path) as temporary:
        (temporary / "a").write_bytes(b"x")
    assert names(path) == ["a"]
    assert not path.is_symlink()
    assert names(tmp_path) == ["kept", "model"]
    assert names(kept) == []


def test_many_writers_of_one_folder_leave_one_whole_folder(tmp_path: Path) -> None:
    path = tmp_path / "model"

    def write(number: int) -> None:
        with atomic.directory(path) as temporary:
            for name in ("a", "b"):
                (temporary / name).write_bytes(bytes([number]))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(64)))  # raises what a writer raised
    assert (path / "a").read_bytes() == (path / "b").read_bytes()
    assert names(tmp_path) == ["model"]


def test_the_old_folder_comes_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model"
    path.mkdir()
    (path / "old.bin").write_bytes(b"old")
    rename = os.replace

    def failing(source: Path, target: Path) -> None:
        if target == path and not target.exists() and (source / "new.bin").exists():
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(target))
        rename(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(UserError, match="Input/output error"), atomic.directory(path) as temporary:
        (temporary / "new.bin").write_bytes(b"new")
    assert names(tmp_path) == ["model"]
    assert names(path) == ["old.bin"]


def test_a_file_where_a_folder_should_be_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_bytes(b"")
    path = tmp_path / "blocked" / "a.json"
    with pytest.raises(UserError, match=r"a\.json: cannot be written \(") as caught:
        atomic.write_json(path, {})
    assert "\n" not in str(caught.value)


def test_a_full_disk_reported_by_native_code_is_the_same_line(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"cannot be written \(No space left on device\)"),
        atomic.directory(tmp_path / "model"),
    ):
        raise RuntimeError("I/O error: No space left on device (os error 28)")
    assert names(tmp_path) == []


FILL = """
import sys, resource
from pathlib import Path
import polars as pl
from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError

folder, limit = Path(sys.argv[1]), int(sys.argv[2])
atomic.write_bytes(folder / "kept.bin", b"old")
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
noise = Path("/dev/urandom").open("rb").read(3 << 20)

def parquet():
    atomic.write_parquet(folder / "kept.bin", pl.DataFrame({"x": [noise]}))

def model():
    with atomic.directory(folder / "model") as temporary:
        (temporary / "config.json").write_text("{}", encoding="utf-8")
        (temporary / "weights.bin").write_bytes(noise)

for write in (lambda: atomic.write_bytes(folder / "kept.bin", noise), parquet, model):
    try:
        write()
    except UserError as error:
        print(error)
atomic.write_bytes(folder / "after.bin", b"room again")
print(sorted(entry.name for entry in folder.iterdir()))
print((folder / "kept.bin").read_bytes())
"""


def check_filled(lines: list[str], folder: Path) -> None:
    *refusals, left, kept = lines
    assert left == "['after.bin', 'kept.bin']"
    assert kept == "b'old'"
    places = [folder / "kept.bin", folder / "kept.bin", folder / "model"]
    assert [line.split(": cannot be written (")[0] for line in refusals] == list(map(str, places))


def fill(folder: Path, limit: int = 0, prefix: tuple[str, ...] = ()) -> list[str]:
    command = [*prefix, sys.executable, "-c", FILL, str(folder), str(limit)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_file_too_large_for_its_limit_leaves_nothing(tmp_path: Path) -> None:
    check_filled(fill(tmp_path, MEGABYTE), tmp_path)


def small_disk(folder: Path) -> tuple[str, ...]:
    """A command prefix under which `folder` is a disk of 1 MiB, seen by that command alone."""
    mount = f'mount -t tmpfs -o size=1m none "{folder}" && exec "$@"'
    prefix = ("unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh")
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], check=False).returncode:
        pytest.skip("this system mounts no tmpfs for us")
    return prefix


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    lines = fill(tmp_path, prefix=small_disk(tmp_path))
    assert all("No space left on device" in line for line in lines[:3])
    check_filled(lines, tmp_path)


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from recap_assets.experiment import atomic\n"
        "with atomic.file(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=REPOSITORY, check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    left = [name for name in names(tmp_path) if name != "a.bin"]
    assert all(name.startswith(".tmp-") for name in left)
