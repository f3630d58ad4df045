"""Tables of URL and text beside tars: img2dataset's own, LAION's and DataComp's."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import polars as pl
import pytest

from recap_assets.experiment.errors import UserError
from recap_assets.images import index
from recap_assets.images.table import Table, fill, find
from recap_assets.images.tar_shard import TarShard
from recap_assets_tests.images.tar_making import encoded, member, noise, write

PICTURES = [encoded(noise(n)) for n in range(4)]


def tar(path: Path, sidecars: dict[int, dict[str, object]] | None = None) -> Path:
    """Four pictures as img2dataset names them; `sidecars` by number and extension."""
    members = []
    for n, data in enumerate(PICTURES):
        members.append(member(f"00000000{n}.jpg", data))
        for extension, value in (sidecars or {}).get(n, {}).items():
            text = value if isinstance(value, str) else json.dumps(value)
            members.append(member(f"00000000{n}.{extension}", text.encode()))
    return write(path, members)


def filled(path: Path, *files: Path, caption: str | None = None) -> pl.DataFrame:
    return index.build(TarShard("00000", path, Table(files, caption)))


def test_img2datasets_own_table_fills_by_key_what_members_lack(tmp_path: Path) -> None:
    told = {0: {"txt": "own text", "json": {"url": "https://own"}}, 1: {"txt": " \n"}}
    path = tar(tmp_path / "00000.tar", told)
    table = pl.DataFrame(
        {
            "key": ["000000002", "000000000", "000000001", "999999999"],
            "caption": ["two", "zero", "one", "nine"],
            "url": ["https://2", "https://0", "https://1", "https://9"],
            "status": ["success"] * 4,
            "width": [1, 2, 3, 4],
        }
    )
    table.write_parquet(tmp_path / "00000.parquet")
    frame = filled(path, tmp_path / "00000.parquet")
    assert frame["alt"].to_list() == ["own text", "one", "two", ""]
    assert frame["url"].to_list() == ["https://own", "https://1", "https://2", None]
    extra = json.loads(frame["extra"][0])
    assert (extra["url"], extra["status"], extra["width"]) == ("https://own", "success", 2)
    assert frame["extra"][3] == "{}"


@pytest.mark.parametrize("way", ["uid", "sha256", "digest", "url"])
def test_every_way_to_find_a_row(tmp_path: Path, way: str) -> None:
    ids = [f"{way}-{n}" for n in range(4)]
    if way == "digest":
        ids = [hashlib.sha256(data).hexdigest() for data in PICTURES]
    beside = {n: {"json": {way: ids[n]}} for n in range(4)}
    path = tar(tmp_path / "00000.tar", None if way == "digest" else beside)
    column = {"digest": "sha256"}.get(way, way)
    table = pl.DataFrame({column.upper(): ids[::-1], "TEXT": ["3", "2", "1", "0"]})
    table.write_parquet(tmp_path / "laion.parquet")
    assert filled(path, tmp_path / "laion.parquet")["alt"].to_list() == ["0", "1", "2", "3"]


def test_the_first_row_of_a_picture_counts_over_several_files(tmp_path: Path) -> None:
    path = tar(tmp_path / "00000.tar", {0: {"json": {"url": "https://a"}}})
    for name, text in (("b", "second"), ("a", "first")):
        frame = pl.DataFrame({"url": ["https://a", "https://a"], "alt_text": [text, "again"]})
        frame.write_parquet(tmp_path / f"{name}.parquet")
    frame = filled(path, tmp_path / "a.parquet", tmp_path / "b.parquet")
    assert frame["alt"].to_list() == ["first", "", "", ""]


def test_the_key_comes_before_the_url_and_columns_may_be_named(tmp_path: Path) -> None:
    path = tar(tmp_path / "00000.tar", {0: {"json": {"url": "https://a"}}})
    rows = {
        "url": ["https://a", None],
        "key": [None, "000000000"],
        "caption": ["x", "y"],
        "Blurb": ["by url", "by key"],
    }
    pl.DataFrame(rows).write_parquet(tmp_path / "t.parquet")
    assert filled(path, tmp_path / "t.parquet", caption="blurb")["alt"][0] == "by key"


def test_bytes_and_dates_do_not_break_the_record(tmp_path: Path) -> None:
    path = tar(tmp_path / "00000.tar")
    rows = {"key": ["000000000"], "text": ["t"], "blob": [b"\0"], "day": [0]}
    frame = pl.DataFrame(rows).with_columns(pl.col("day").cast(pl.Date))
    frame.write_parquet(tmp_path / "t.parquet")
    extra = json.loads(filled(path, tmp_path / "t.parquet")["extra"][0])
    assert extra == {"key": "000000000", "text": "t", "day": "1970-01-01"}


def test_only_matching_rows_are_held(tmp_path: Path) -> None:
    """A table of a million rows, as many as LAION's files have, in bounded memory."""
    psutil = pytest.importorskip("psutil")
    path = tar(tmp_path / "00000.tar", {0: {"json": {"url": "https://x/999999"}}})
    count = 1_000_000
    urls = pl.select(url=pl.format("https://x/{}", pl.int_range(count)))
    urls.with_columns(TEXT=pl.concat_str(pl.lit("t" * 80), "url")).write_parquet(
        tmp_path / "t.parquet", row_group_size=100_000
    )
    before = psutil.Process(os.getpid()).memory_info().rss
    assert filled(path, tmp_path / "t.parquet")["alt"][0].endswith("/999999")
    assert psutil.Process(os.getpid()).memory_info().rss - before < 120_000_000


def test_a_table_without_ids_is_named(tmp_path: Path) -> None:
    path = tar(tmp_path / "00000.tar")
    pl.DataFrame({"a": [1], "b": [2]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(UserError, match=r"t\.parquet: has no column key, uid, sha256, url.*a, b"):
        filled(path, tmp_path / "t.parquet")


def test_a_changed_table_is_another_index(tmp_path: Path) -> None:
    path, table, store = tar(tmp_path / "0.tar"), tmp_path / "t.parquet", tmp_path / "i.parquet"
    shard = TarShard("0", path, Table((table,)))
    pl.DataFrame({"key": ["000000000"], "text": ["one"]}).write_parquet(table)
    assert index.refresh(store, shard)
    assert not index.refresh(store, shard)
    pl.DataFrame({"key": ["000000000"], "text": ["another"]}).write_parquet(table)
    assert index.refresh(store, shard)
    assert pl.read_parquet(store)["alt"][0] == "another"


def test_beside_a_tar_its_own_file_alone_is_read(tmp_path: Path) -> None:
    files = tuple(tmp_path / f"{n}.parquet" for n in ("00000", "00001"))
    assert Table(files).beside("00001").files == files[1:]
    assert Table(files).beside("00007").files == files


def test_columns_are_found_whatever_the_case() -> None:
    assert find(["URL", "TEXT"], None, ("caption", "text")) == "TEXT"
    assert find(["URL", "Caption", "TEXT"], None, ("caption", "text")) == "Caption"
    assert find(["URL", "Alt"], "alt", ()) == "Alt"
    assert find(["URL"], "alt", ("url",)) is None


def test_no_rows(tmp_path: Path) -> None:
    pl.DataFrame({"key": ["x"], "text": ["y"]}).write_parquet(tmp_path / "t.parquet")
    frame = index.build(TarShard("0", tar(tmp_path / "0.tar"))).clear()
    assert fill(frame, Table((tmp_path / "t.parquet",))).height == 0
