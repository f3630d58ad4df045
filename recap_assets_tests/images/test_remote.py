"""Tars and Parquet on file systems that are not this machine's disk, read by range."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fsspec
import polars as pl
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractBufferedFile

from recap_assets.experiment.config import Dataset
from recap_assets.experiment.errors import UserError
from recap_assets.images import dataset, index
from recap_assets.images.locations import remote, stamp_of
from recap_assets.images.parquet_shard import ParquetShard
from recap_assets.images.reader import PictureReader
from recap_assets.images.shard import Shard
from recap_assets.images.tar_shard import TarShard
from recap_assets_tests.images.tar_making import encoded, member, noise, write
from recap_assets_tests.images.test_parquet_shard import hub

pytestmark = pytest.mark.filterwarnings("ignore:UPath .* not explicitly implemented")
FETCHED: list[int] = []


class Counted(MemoryFileSystem):
    """A memory file system that is read by range, as a remote one is, and counts the bytes."""

    protocol = "counted"
    store: dict[str, Any] = {}
    pseudo_dirs = [""]

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return MemoryFileSystem._strip_protocol(str(path).replace(f"{cls.protocol}://", ""))

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode != "rb":
            return super()._open(path, mode, **options)
        options.pop("cache_options", None)
        return _Ranges(self, path, mode, **options)

    def cat_file(self, path: str, start: Any = None, end: Any = None, **_: Any) -> bytes:
        return bytes(self.store[path].getbuffer()[start:end])


class _Ranges(AbstractBufferedFile):
    def _fetch_range(self, start: int, end: int) -> bytes:
        data = self.fs.cat_file(self.path, start, end)
        FETCHED.append(len(data))
        return data


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    fsspec.register_implementation("counted", Counted, clobber=True)
    for system in ("memory", "counted"):
        fsspec.filesystem(system).store.clear()
    FETCHED.clear()
    yield
    for system in ("memory", "counted"):
        fsspec.filesystem(system).store.clear()


def shards(urls: str | list[str], **options: object) -> list[Shard]:
    config = Dataset.model_validate({"urls": urls, **options})
    return list(dataset.shards(config, lambda url: url))


def tar(tmp_path: Path, *url: str, count: int = 3, size: int = 0) -> Path:
    """A tar, here and at each url, whose pictures have `size` bytes behind them."""
    members = []
    for n in range(count):
        members.append(member(f"{n}.bmp", encoded(noise(n), "BMP") + bytes(size)))
        members.append(member(f"{n}.txt", f"text {n}".encode()))
    path = write(tmp_path / "local.tar", members)
    for one in url:
        with fsspec.open(one, "wb") as file:
            file.write(path.read_bytes())
    return path


@pytest.mark.parametrize("scheme", ["memory", "counted"])
def test_a_remote_tar_has_the_rows_of_the_same_tar_here(tmp_path: Path, scheme: str) -> None:
    here = TarShard("00000", tar(tmp_path, f"{scheme}://bucket/s/00000.tar"))
    for urls in (f"{scheme}://bucket/s/*.tar", f"{scheme}://bucket/s/{{00000..00000}}.tar"):
        (there,) = shards(urls)
        assert there.key == "00000"
        frame = index.build(there)
        assert frame.equals(index.build(here))
        with PictureReader(there) as one, PictureReader(here) as other:
            assert (one.tensor(frame, 8) == other.tensor(frame, 8)).all()


def test_file_urls_are_local(tmp_path: Path) -> None:
    path = tar(tmp_path)
    (shard,) = shards(f"file://{path}")
    assert shard.path == path
    assert index.build(shard).height == 3


def test_a_remote_parquet_has_the_rows_of_the_same_file_here(tmp_path: Path) -> None:
    hub(tmp_path / "a.parquet")
    with fsspec.open("counted://b/a.parquet", "wb") as file:
        file.write((tmp_path / "a.parquet").read_bytes())
    (there,) = shards("counted://b/*.parquet", source="parquet")
    here = ParquetShard("a", tmp_path / "a.parquet")
    frame = index.build(there)
    assert frame.equals(index.build(here))
    with PictureReader(there) as reader:
        assert len(list(reader.pictures(frame.reverse()))) == 20


def test_a_table_may_be_remote(tmp_path: Path) -> None:
    tar(tmp_path, "memory://b/0.tar")
    table = pl.DataFrame({"key": ["0", "2"], "URL": ["https://0", "https://2"]})
    with fsspec.open("memory://b/0.parquet", "wb") as file:
        table.write_parquet(file)
    (shard,) = shards("memory://b/*.tar", table={"urls": "memory://b/*.parquet"})
    assert index.build(shard)["url"].to_list() == ["https://0", None, "https://2"]


def test_an_index_fetches_the_tar_once_and_a_picture_its_range(tmp_path: Path) -> None:
    size = tar(tmp_path, "counted://b/0.tar", count=30, size=400_000).stat().st_size
    (shard,) = shards("counted://b/0.tar")
    frame = index.build(shard)
    assert frame.height == 30
    assert sum(FETCHED) < 1.2 * size
    FETCHED.clear()
    with PictureReader(shard) as reader:
        list(reader.pictures(frame[17:18]))
    assert sum(FETCHED) <= 3 << 20
    assert size > 12_000_000


def test_an_index_is_current_until_the_file_changes(tmp_path: Path) -> None:
    tar(tmp_path, "memory://b/0.tar")
    (shard,) = shards("memory://b/0.tar")
    store = tmp_path / "i.parquet"
    assert index.refresh(store, shard)
    assert not index.refresh(store, shard)
    tar(tmp_path, "memory://b/0.tar", count=3)
    assert index.refresh(store, shard), "it was written again, and remote bytes are not compared"
    assert not index.refresh(store, shard)


def test_the_mark_is_what_the_file_system_tells() -> None:
    class Told(Counted):
        protocol = "told"
        told: dict[str, object] = {}

        def info(self, path: str, **_: object) -> dict[str, object]:
            return {"name": path, "size": 7, "type": "file", **self.told}

    fsspec.register_implementation("told", Told, clobber=True)

    def mark(**told: object) -> tuple[int, str]:
        Told.told = told
        return stamp_of(remote("told://b/0.tar"))

    assert mark(ETag="a") == mark(ETag="a", StorageClass="x", islink=False)
    assert mark(ETag="a") != mark(ETag="b")
    assert mark(mtime=1) != mark(mtime=2)
    assert mark(**{"Content-MD5": "a"}) != mark(**{"Content-MD5": "b"})
    assert mark()[0] == 7


def test_what_is_missing_or_cut_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"memory://b/gone\.tar: cannot be read"):
        index.build(shards("memory://b/gone.tar")[0])
    with pytest.raises(UserError, match=r"memory://b/\*\.tar: no file matches"):
        shards("memory://b/*.tar")
    path = tar(tmp_path)
    with fsspec.open("memory://b/cut.tar", "wb") as file:
        file.write(path.read_bytes()[:700])
    with pytest.raises(UserError, match=r"memory://b/cut\.tar: unreadable"):
        index.build(shards("memory://b/cut.tar")[0])


def test_a_network_that_fails_in_the_middle_is_a_user_error(tmp_path: Path) -> None:
    class Failing(Counted):
        protocol = "failing"

        def cat_file(self, path: str, start: Any = None, end: Any = None, **_: Any) -> bytes:
            if start:
                raise TimeoutError("the server does not answer")
            return super().cat_file(path, start, end)

    fsspec.register_implementation("failing", Failing, clobber=True)
    tar(tmp_path, "failing://b/0.tar", count=10, size=400_000)
    with pytest.raises(UserError, match=r"b/0\.tar: cannot be read \(the server does not"):
        index.build(shards("failing://b/0.tar")[0])


@pytest.mark.parametrize(
    ("scheme", "module", "package"), [("s3", "s3fs", "s3fs"), ("gs", "gcsfs", "gcsfs")]
)
def test_a_missing_driver_is_named(scheme: str, module: str, package: str) -> None:
    if find_spec(module) is not None:
        pytest.skip("the driver is installed")
    with pytest.raises(UserError, match=rf"{scheme}: needs a driver .*`pip install {package}`"):
        shards(f"{scheme}://bucket/*.tar")


def test_folders_of_pictures_are_local() -> None:
    with pytest.raises(UserError, match="read locally"):
        shards("memory://b/folder", source="imagefolder")


def test_the_bytes_are_those_that_were_written(tmp_path: Path) -> None:
    tar(tmp_path, "counted://b/0.tar", count=2)
    (shard,) = shards("counted://b/0.tar")
    row = index.build(shard).row(1, named=True)
    with PictureReader(shard) as reader:
        data = reader.bytes(row["key"], row["offset"], row["size"], row["image_sha256"])
    assert hashlib.sha256(data).hexdigest() == row["image_sha256"]
    assert data == encoded(noise(1), "BMP")
