"""Hostile files in every format: each is a row with a reason or an error that names it.

Nothing outside the folder is read or written, and memory stays small, measured in a process of its
own.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recap_assets.experiment.errors import UserError
from recap_assets.images import folder_shard, index
from recap_assets.images.coco import shards as coco_shards
from recap_assets.images.parquet_shard import ParquetShard
from recap_assets.images.reader import PictureReader
from recap_assets.images.reading import Reading
from recap_assets.images.shard import Shard
from recap_assets.images.tar_shard import TarShard
from recap_assets_tests.images import hostile
from recap_assets_tests.images.tar_making import encoded, member, noise, write

USABLE = {"good.png", hostile.WIDE}
#: What an index of hostile files may take beyond what importing the package does.
MOST = 150 * hostile.MIB


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder `root` to work in, with a secret beside it."""
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.png").write_bytes(encoded(noise(4242)))
    (tmp_path / "outside" / "secret.txt").write_text("a secret text", encoding="utf-8")
    return tmp_path


def tar(world: Path) -> Shard:
    hostile.tar(world / "root" / "0.tar", world / "outside")
    return TarShard("0", world / "root" / "0.tar")


def folder(world: Path) -> Shard:
    root = world / "root"
    for name, data in hostile.pictures().items():
        (root / name).write_bytes(data)
    for name, data in hostile.texts().items():
        stem = name.replace(".", "-")
        (root / f"{stem}.png").write_bytes(encoded(noise(len(data))))
        (root / f"{stem}{Path(name).suffix}").write_bytes(data)
    (root / "link.png").symlink_to(world / "outside" / "secret.png")
    (root / "good.txt").symlink_to(world / "outside" / "secret.txt")
    (root / "folder").symlink_to(world / "outside")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe.png")
    (root / "inner.tar").write_bytes(b"x")
    hostile.sparse(root / "giant.jpg", 6 << 30)
    names = ["../outside/secret.png", str(world / "outside/secret.png"), "gone.png", "\0.png"]
    lines = [json.dumps({"file_name": name, "text": name}) for name in names]
    (root / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder_shard.shards(root, 1)[0]


def parquet(world: Path) -> Shard:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": data, "path": name} for name, data in hostile.pictures().items()]
    rows += [
        {"bytes": None, "path": str(world / "outside" / "secret.png")},
        {"bytes": encoded(noise(5)), "path": "../../up.png"},
        {"bytes": encoded(noise(6)), "path": "x.exe"},
        None,
    ]
    long = ["word " * hostile.MIB, *["t\0"] * (len(rows) - 1)]
    table = pa.table({"image": pa.array(rows, kind), "text": long})
    pq.write_table(table, world / "root" / "0.parquet", write_batch_size=4)
    return ParquetShard("0", world / "root" / "0.parquet")


def coco(world: Path) -> Shard:
    images = world / "root" / "images"
    images.mkdir()
    names = [*hostile.pictures(), "../../outside/secret.png", "/etc/passwd", "gone.png", "link.png"]
    for name, data in hostile.pictures().items():
        (images / name).write_bytes(data)
    (images / "link.png").symlink_to(world / "outside" / "secret.png")
    listed = [{"id": n, "file_name": name} for n, name in enumerate(names)]
    told = [{"image_id": n, "caption": "c" * 3_000_000} for n in range(2)]
    told += [{"image_id": n, "caption": "\ud800"} for n in range(2, 5)]
    path = world / "root" / "captions.json"
    path.write_text(json.dumps({"images": listed, "annotations": told}), encoding="utf-8")
    return coco_shards(path, images, 1)[0]


FORMATS: list[Callable[[Path], Shard]] = [tar, folder, parquet, coco]


def files(world: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in world.rglob("*")
    }


@pytest.mark.parametrize("make", FORMATS)
def test_every_file_is_a_row_with_a_reason(world: Path, make: Callable[[Path], Shard]) -> None:
    shard = make(world)
    before = files(world)
    frame = index.build(shard, Reading(caption="text" if make is parquet else "txt"))
    assert files(world) == before
    bad = frame.filter(pl.col("status") == "error")
    assert bad["error"].is_not_null().all()
    assert not bad["error"].str.contains("\n").any()
    names = set(hostile.pictures()) - USABLE
    if make is parquet:
        keys = {f"{n:08d}" for n, name in enumerate(hostile.pictures()) if name in names}
    else:
        keys = {name.split(".")[0] for name in names} if make is tar else names
    assert keys <= set(bad["key"])
    assert bad.height >= len(names)


@pytest.mark.parametrize("make", FORMATS)
def test_usable_pictures_are_read_and_secrets_are_not(
    world: Path, make: Callable[[Path], Shard]
) -> None:
    shard = make(world)
    frame = index.build(shard)
    secret = hashlib.sha256((world / "outside" / "secret.png").read_bytes()).hexdigest()
    assert secret not in set(frame["image_sha256"])
    assert not frame["alt"].str.contains("secret text").any()
    good = frame.filter(pl.col("status") == "ok")
    assert hashlib.sha256(hostile.GOOD).hexdigest() in set(good["image_sha256"])
    with PictureReader(shard) as reader:
        assert reader.tensor(good, 8).shape == (good.height, 8, 8, 3)
        assert reader.tensor(good, 8, "pad").shape == (good.height, 8, 8, 3)


@pytest.mark.parametrize("make", FORMATS)
def test_memory_stays_small(world: Path, make: Callable[[Path], Shard]) -> None:
    make(world)
    root = world / "root"
    shard = {
        tar: f"TarShard('0', Path({str(root / '0.tar')!r}))",
        folder: f"folder_shard.shards(Path({str(root)!r}), 1)[0]",
        parquet: f"ParquetShard('0', Path({str(root / '0.parquet')!r}))",
        coco: f"coco.shards(Path({str(root / 'captions.json')!r}), "
        f"Path({str(root / 'images')!r}), 1)[0]",
    }[make]
    assert peak(shard) < MOST


def peak(shard: str) -> int:
    """Bytes that indexing a shard takes at the most, beyond those of the imported package."""
    program = f"""
from pathlib import Path
from recap_assets.images import coco, folder_shard, index
from recap_assets.images.parquet_shard import ParquetShard
from recap_assets.images.tar_shard import TarShard
from recap_assets.experiment.errors import UserError
def most():
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
before = most()
try:
    print(index.build({shard}).height, "rows")
except UserError as error:
    print(error)
print((most() - before) * 1024)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True
    )
    *_, told, used = done.stdout.splitlines()
    assert told.endswith("rows") or "in 1 rows" in told
    return int(used)


def test_long_texts_and_deep_json_leave_a_note(world: Path) -> None:
    frame = index.build(tar(world), Reading(url="json.url"))
    told = dict(frame.select("key", "error").iter_rows())
    assert "bytes of text are more than 1048576" in told["long-txt"]
    assert "bytes of text are more than 1048576" in told["long-json"]
    assert told["bytes-txt"] == "txt is not UTF-8"
    assert told["deep-json"] == told["deeper-json"] == "json is malformed"
    assert told["number-json"] == "json is malformed"
    assert told["surrogate-json"] is None
    assert frame["alt"].str.len_bytes().max() <= hostile.MIB  # type: ignore[operator]


def test_special_members_are_rows(world: Path) -> None:
    frame = index.build(tar(world))
    told = {key: error for key, error in frame.select("key", "error").iter_rows() if error}
    for key, reason in {
        "../up": "name with '..'",
        str(world / "outside" / "absolute"): "absolute name",
        "C:\\windows": "absolute name",
        "sym": "symbolic link",
        "hard": "hard link",
        "pipe": "pipe",
        "device": "device",
        "nested": "archive inside the tar",
        "good": "the shard has this key more than once",
    }.items():
        assert reason in told[key], key


def test_a_giant_picture_is_not_read(world: Path) -> None:
    frame = index.build(folder(world))
    told = dict(frame.select("key", "error").iter_rows())
    assert told["giant.jpg"] == f"{6 << 30} bytes are more than {1 << 28}"


@pytest.mark.parametrize("name", ["picture.jpg", "text.txt"])
def test_a_tar_that_says_a_member_is_giant(world: Path, name: str) -> None:
    """The member is there, as a hole in the file: 6 GiB that nobody should read."""
    path = world / "root" / "0.tar"
    header, _ = member(name)
    header.size = 6 << 30
    good = tarfile.TarInfo("z.png")
    good.size = len(hostile.GOOD)
    with path.open("wb") as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        file.seek(512 + header.size)
        file.write(good.tobuf() + hostile.GOOD.ljust(-(-good.size // 512) * 512, b"\0"))
        file.write(bytes(1024))
    frame = index.build(TarShard("0", path))
    assert frame["status"].to_list() == ["error", "ok"]
    assert peak(f"TarShard('0', Path({str(path)!r}))") < MOST


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_extension_that_says_it_is_giant(world: Path, kind: bytes) -> None:
    path = world / "root" / "0.tar"
    header, _ = member("x", type=kind)
    header.size = 6 << 30
    with path.open("wb") as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        file.truncate(512 + header.size + 1024)
    with pytest.raises(UserError, match=r"0\.tar: .*a header extension of 6442450944 bytes"):
        index.build(TarShard("0", path))


def test_a_parquet_value_that_unpacks_to_gigabytes_is_refused(world: Path) -> None:
    path = world / "root" / "0.parquet"
    plain: dict[str, Any] = {"use_dictionary": False, "write_statistics": False}
    table = pa.table({"image": [bytes(300 * hostile.MIB)]})
    pq.write_table(table, path, compression="zstd", **plain)
    assert path.stat().st_size < hostile.MIB
    with pytest.raises(UserError, match=r"0\.parquet: column 'image' holds 3\d+ bytes in 1 rows"):
        index.build(ParquetShard("0", path))
    assert peak(f"ParquetShard('0', Path({str(path)!r}))") < 100 * hostile.MIB


@pytest.mark.parametrize("size", [0, 1, 511, 512, 10_240])
def test_tars_of_nothing_are_named(world: Path, size: int) -> None:
    path = world / "root" / "0.tar"
    path.write_bytes(bytes(size))
    with pytest.raises(UserError, match=r"0\.tar: "):
        index.build(TarShard("0", path))


def test_a_picture_with_a_text_name_stays_with_the_text(world: Path) -> None:
    path = write(
        world / "root" / "0.tar", [member("a.txt", hostile.GOOD), member("a.png", b"a caption")]
    )
    (row,) = index.build(TarShard("0", path)).iter_rows(named=True)
    assert row["status"] == "error"
    assert "not a JPEG" in row["error"]
    assert "txt is not UTF-8" in row["error"]
