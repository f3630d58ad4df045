"""The index of real tars: every sample a row, and known to be current or not."""

from __future__ import annotations

import hashlib
import os
import tarfile
import tracemalloc
from pathlib import Path

import polars as pl
import pytest

from recap_assets.experiment.atomic import read_parquet_metadata
from recap_assets.experiment.errors import UserError
from recap_assets.images import index
from recap_assets.images.reading import Reading
from recap_assets.images.schema import INDEX
from recap_assets.images.tar_shard import TarShard
from recap_assets_tests.images.tar_making import encoded, member, noise, simple, write

ONE, TWO = encoded(noise(1)), encoded(noise(2, 5, 7), "JPEG")


def source(path: Path) -> TarShard:
    return TarShard(path.stem, path)


def rows(path: Path, **options: object) -> list[dict[str, object]]:
    frame = index.build(source(path), Reading(**options))
    assert frame.schema == INDEX
    return frame.to_dicts()


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    return simple(
        tmp_path / "00000.tar",
        a__png=ONE,
        a__txt=b"a cat\n",
        a__json=b'{"url": "https://x/a", "n": 1}',
        b__jpg=TWO,
    )


def test_a_good_row_says_everything(tar: Path) -> None:
    first, second = rows(tar)
    sha256 = hashlib.sha256(ONE).hexdigest()
    assert first == {
        "uid": sha256[:32],
        "shard": "00000",
        "key": "a",
        "image_sha256": sha256,
        "ext": "png",
        "offset": 512,
        "size": len(ONE),
        "width": 12,
        "height": 8,
        "alt": "a cat",
        "url": "https://x/a",
        "extra": '{"url": "https://x/a", "n": 1}',
        "status": "ok",
        "error": None,
        "phash": None,
    }
    assert (second["key"], second["alt"], second["url"], second["extra"]) == ("b", "", None, "{}")
    assert (second["width"], second["height"]) == (5, 7)


def test_captions_from_json(tmp_path: Path) -> None:
    path = simple(tmp_path / "0.tar", a__jpg=TWO, a__json=b'{"text": "dog"}')
    assert rows(path, caption="json.text", url=None)[0]["alt"] == "dog"


def test_bad_pictures_are_rows_with_a_reason(tmp_path: Path) -> None:
    path = simple(
        tmp_path / "0.tar",
        a__jpg=b"",
        b__jpg=TWO[:-40],
        c__png=b"<html>",
        d__txt=b"only text",
        e__PNG=ONE,
        f__jpeg=TWO,
        f__txt=b"caf\xe9",
        f__json=b"{",
    )
    found = {row["key"]: row for row in rows(path)}
    assert {key: row["status"] for key, row in found.items()} == {
        "a": "error",
        "b": "error",
        "c": "error",
        "d": "error",
        "e": "ok",
        "f": "ok",
    }
    assert found["a"]["error"] == "the file is empty"
    assert (found["a"]["uid"], found["a"]["image_sha256"]) == ("", "")
    assert "truncated" in str(found["b"]["error"])
    assert found["b"]["image_sha256"] == hashlib.sha256(TWO[:-40]).hexdigest()
    assert found["b"]["width"] is None
    assert "not a JPEG" in str(found["c"]["error"])
    assert found["d"]["error"] == "no picture (only txt)"
    assert found["d"]["alt"] == "only text"
    assert (found["e"]["ext"], found["e"]["error"]) == ("png", None)
    assert found["f"]["error"] == "json is malformed; txt is not UTF-8"
    assert (found["f"]["alt"], found["f"]["extra"]) == ("caf\ufffd", "{}")


def test_a_repeated_picture_names_the_first(tmp_path: Path) -> None:
    path = simple(tmp_path / "0.tar", a__png=ONE, b__png=ONE, c__png=TWO, d__gif=ONE)
    found = [(row["key"], row["status"], row["error"], row["width"]) for row in rows(path)]
    assert found == [
        ("a", "ok", None, 12),
        ("b", "duplicate", "same picture as a", 12),
        ("c", "ok", None, 5),
        ("d", "duplicate", "same picture as a", 12),
    ]


def test_a_bad_picture_twice_is_bad_twice(tmp_path: Path) -> None:
    path = simple(tmp_path / "0.tar", a__png=b"x", b__png=b"x")
    assert [row["status"] for row in rows(path)] == ["error", "error"]


def test_several_pictures_and_repeated_keys_are_noted(tmp_path: Path) -> None:
    path = simple(tmp_path / "0.tar", a__png=ONE, a__jpg=TWO)
    (row,) = rows(path)
    assert (row["ext"], row["status"], row["error"]) == ("png", "ok", "png taken of png, jpg")
    write(path, [member("a.png", ONE), member("b.txt"), member("a.jpg", TWO)])
    assert rows(path)[2]["error"] == "the shard has this key more than once"


def test_rejected_members_are_rows_or_notes(tmp_path: Path) -> None:
    path = write(
        tmp_path / "0.tar",
        [
            member("a.jpg", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
            member("../b.jpg", TWO),
            member("c.png", ONE),
            member("c.txt", type=tarfile.LNKTYPE, linkname="x"),
        ],
    )
    found = {row["key"]: (row["status"], row["error"], row["uid"] != "") for row in rows(path)}
    assert found == {
        "a": ("error", "no picture; a.jpg not read: symbolic link", False),
        "../b": ("error", "no picture; ../b.jpg not read: name with '..'", False),
        "c": ("ok", "c.txt not read: hard link", True),
    }


def test_a_tar_without_pictures_is_an_error(tmp_path: Path) -> None:
    path = simple(tmp_path / "0.tar", a__txt=b"x", b__mp4=b"x")
    with pytest.raises(UserError, match=r"0\.tar: holds no picture \(.*only txt.*only mp4"):
        rows(path)
    with pytest.raises(UserError, match="no samples"):
        rows(write(path, []))


def test_the_pixel_limit_makes_an_error_row(tar: Path) -> None:
    assert [row["status"] for row in rows(tar, max_pixels=95)] == ["error", "ok"]


def test_a_cut_tar_has_no_index(tar: Path) -> None:
    tar.write_bytes(tar.read_bytes()[:-9000])
    with pytest.raises(UserError, match="unreadable from byte"):
        rows(tar)


def test_pictures_are_held_one_at_a_time(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        size = 200_000
        data = (encoded(noise(n, 4, 4), "BMP") + bytes(size) for n in range(count))
        path = write(tmp_path / f"{count}.tar", (member(f"{n}.bmp", d) for n, d in enumerate(data)))
        tracemalloc.start()
        assert len(rows(path)) == count
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(2)
    assert peak(60) < peak(10) + 400_000


def test_published_and_current(tar: Path, tmp_path: Path) -> None:
    path = tmp_path / "store" / "00000.parquet"
    frame = index.build(source(tar))
    assert not index.is_current(path, source(tar))
    index.publish(path, frame, source(tar))
    assert pl.read_parquet(path).equals(frame)
    known = read_parquet_metadata(path)
    assert known["source_sha256"] == hashlib.sha256(tar.read_bytes()).hexdigest()
    assert known["source_size"] == str(tar.stat().st_size)
    assert known["source_mark"] == str(tar.stat().st_mtime_ns)
    assert known["content"] == index.content_digest(frame)
    assert index.is_current(path, source(tar))


def test_a_touched_tar_is_current_and_a_changed_one_is_not(tar: Path, tmp_path: Path) -> None:
    path = tmp_path / "0.parquet"
    index.publish(path, index.build(source(tar)), source(tar))
    os.utime(tar, ns=(1, 1))
    assert index.is_current(path, source(tar))
    data = bytearray(tar.read_bytes())
    data[600] ^= 1
    tar.write_bytes(data)
    os.utime(tar, ns=(2, 2))
    assert not index.is_current(path, source(tar))
    tar.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        index.is_current(path, source(tar))


def test_other_settings_are_not_current(tar: Path, tmp_path: Path) -> None:
    path = tmp_path / "0.parquet"
    assert index.refresh(path, source(tar))
    assert not index.refresh(path, source(tar))
    assert index.refresh(path, source(tar), Reading(caption="json.text"))
    assert index.refresh(path, source(tar), Reading(caption="json.text", max_pixels=50))
    assert not index.refresh(path, source(tar), Reading(caption="json.text", max_pixels=50))


def test_a_damaged_index_is_not_current(tar: Path, tmp_path: Path) -> None:
    path = tmp_path / "0.parquet"
    index.refresh(path, source(tar))
    path.write_bytes(path.read_bytes()[:100])
    assert index.refresh(path, source(tar))
    assert pl.read_parquet(path).height == 2


def test_a_tar_that_changes_meanwhile_is_not_published(tar: Path, tmp_path: Path) -> None:
    before = source(tar).stamp()
    frame = index.build(source(tar))
    os.utime(tar, ns=(1, 1))
    with pytest.raises(UserError, match="changed while it was indexed"):
        index.publish(tmp_path / "0.parquet", frame, source(tar), since=before)
    assert not (tmp_path / "0.parquet").exists()


def test_content_ignores_order_and_place_but_not_text(tmp_path: Path) -> None:
    def content(name: str, **files: bytes) -> str:
        return index.content_digest(index.build(source(simple(tmp_path / name, **files))))

    one = content("0.tar", a__png=ONE, a__txt=b"x", b__jpg=TWO)
    assert content("1.tar", b__jpg=TWO, a__txt=b"x\n", a__png=ONE) == one
    assert content("2.tar", a__png=ONE, a__txt=b"y", b__jpg=TWO) != one
    assert content("3.tar", a__png=ONE, a__txt=b"x", b__jpg=ONE) != one
    assert content("4.tar", a__png=ONE, a__txt=b"x") != one
