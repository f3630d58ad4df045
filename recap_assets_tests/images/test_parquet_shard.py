"""Parquet with pictures: the hub's struct, plain bytes, rows read back piece by piece."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recap_assets.experiment.errors import UserError
from recap_assets.images import index, parquet
from recap_assets.images.parquet_shard import ParquetShard
from recap_assets.images.reader import PictureReader
from recap_assets.images.reading import Reading
from recap_assets_tests.images.tar_making import encoded, noise

HUB = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
TEXT = Reading(caption="text", url="url")


def hub(path: Path, count: int = 20, group: int = 6) -> list[bytes]:
    """A file as the hub's libraries write it; returns the pictures."""
    pictures = [encoded(noise(n)) for n in range(count)]
    rows = [{"bytes": data, "path": f"a/{n}.png"} for n, data in enumerate(pictures)]
    table = pa.table(
        {
            "image": pa.array(rows, HUB),
            "text": [f" caption {n} " for n in range(count)],
            "url": [f"https://x/{n}" for n in range(count)],
            "score": [n / 4 for n in range(count)],
        }
    )
    pq.write_table(table, path, row_group_size=group)
    return pictures


def test_rows_of_the_hubs_format(tmp_path: Path) -> None:
    pictures = hub(tmp_path / "a.parquet")
    frame = index.build(ParquetShard("a", tmp_path / "a.parquet"), TEXT)
    assert frame["key"].to_list() == [f"{n:08d}" for n in range(20)]
    assert frame["offset"].to_list() == list(range(20))
    assert frame["size"].to_list() == [len(data) for data in pictures]
    assert frame["image_sha256"].to_list() == [hashlib.sha256(d).hexdigest() for d in pictures]
    assert frame["alt"][3] == "caption 3"
    assert frame["url"][3] == "https://x/3"
    assert set(frame["ext"]) == {"png"}
    assert set(frame["status"]) == {"ok"}
    assert frame["extra"].str.json_path_match("$.score")[3] == "0.75"


@pytest.mark.parametrize("order", [range(20), reversed(range(20)), [7, 7, 0, 19, 5, 6, 11, 12, 3]])
def test_a_picture_is_read_back_by_its_row_in_any_order(tmp_path: Path, order: list[int]) -> None:
    pictures = hub(tmp_path / "a.parquet")
    shard = ParquetShard("a", tmp_path / "a.parquet")
    rows = index.build(shard).select("key", "offset", "size", "image_sha256").rows()
    with PictureReader(shard) as reader:
        for number in order:
            assert reader.bytes(*rows[number]) == pictures[number]


def test_going_forward_reads_each_batch_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub(tmp_path / "a.parquet", 40, 20)
    batches = 0
    original = pq.ParquetFile.iter_batches

    def counted(self: pq.ParquetFile, *args: object, **options: object) -> Iterator[pa.RecordBatch]:
        nonlocal batches
        for batch in original(self, *args, **options):
            batches += 1
            yield batch

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    with parquet.opened(tmp_path / "a.parquet") as file:
        rows = parquet.RowReader(tmp_path / "a.parquet", file, "text")
        assert [rows.value(n).as_py() for n in range(40)] == [f" caption {n} " for n in range(40)]
        assert not rows.value(40).is_valid
    assert batches == 6, "two groups of 20 rows in batches of 8"


def test_a_binary_column_and_lists_of_captions(tmp_path: Path) -> None:
    table = pa.table(
        {
            "jpg": pa.array([encoded(noise(1), "JPEG"), None, b""], pa.binary()),
            "captions": [["", "one", "two"], [], ["x"]],
            "embedding": pa.array([b"\0", b"\1", b"\2"], pa.binary()),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    frame = index.build(ParquetShard("a", tmp_path / "a.parquet"), Reading(caption="captions"))
    assert frame["alt"].to_list() == ["one", "", "x"]
    assert frame["status"].to_list() == ["ok", "error", "error"]
    assert frame["error"][1] == "no picture; picture not read: the row has no picture bytes"
    assert frame["error"][2] == "the file is empty"
    assert frame["extra"][0] == '{"captions": ["", "one", "two"]}'


def test_nested_columns(tmp_path: Path) -> None:
    rows = {"image": [encoded(noise(1))], "meta": [{"text": "deep", "n": 3}], "a.b": ["dotted"]}
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    shard = ParquetShard("a", tmp_path / "a.parquet")
    for place, text in (("meta.text", "deep"), ("meta.n", "3"), ("a.b", "dotted"), ("none", "")):
        assert index.build(shard, Reading(caption=place))["alt"].to_list() == [text]


def test_a_path_without_bytes_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "there.png").write_bytes(encoded(noise(1)))
    rows = [
        {"bytes": None, "path": str(tmp_path / "there.png")},
        {"bytes": encoded(noise(2)), "path": None},
    ]
    pq.write_table(pa.table({"image": pa.array(rows, HUB)}), tmp_path / "a.parquet")
    frame = index.build(ParquetShard("a", tmp_path / "a.parquet"))
    assert frame["status"].to_list() == ["error", "ok"]
    assert "which is not followed" in frame["error"][0]


def test_the_column_may_be_named(tmp_path: Path) -> None:
    one, two = encoded(noise(1)), encoded(noise(2))
    pq.write_table(pa.table({"before": [one], "after": [two]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"holds no picture.*before, after.*dataset\.image"):
        index.build(ParquetShard("a", tmp_path / "a.parquet"))
    found = index.build(ParquetShard("a", tmp_path / "a.parquet", "after"))
    assert found["image_sha256"].to_list() == [hashlib.sha256(two).hexdigest()]
    with pytest.raises(UserError, match="'gone' column"):
        index.build(ParquetShard("a", tmp_path / "a.parquet", "gone"))


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"x" * 5000])
def test_what_is_no_parquet_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(UserError, match=r"a\.parquet: no readable Parquet file"):
        index.build(ParquetShard("a", tmp_path / "a.parquet"))


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    hub(tmp_path / "a.parquet")
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    data[4:400] = bytes(396)
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(UserError, match=r"a\.parquet: no readable Parquet file"):
        index.build(ParquetShard("a", tmp_path / "a.parquet"))


def test_pictures_are_held_a_page_at_a_time(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = tmp_path / f"{count}.parquet"
        data = [encoded(noise(n, 4, 4), "BMP") + bytes(200_000) for n in range(count)]
        pq.write_table(pa.table({"image": data}), path, compression="none", write_batch_size=4)
        del data
        before = pa.total_allocated_bytes()
        tracemalloc.start()
        assert index.build(ParquetShard("a", path)).height == count
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert pa.total_allocated_bytes() <= before + 1_000_000
        return used

    peak(4)
    assert peak(80) < peak(20) + 400_000


def test_a_changed_row_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    hub(path)
    shard = ParquetShard("a", path)
    rows = index.build(shard)
    hub(path, 5)
    with PictureReader(shard) as reader:
        assert len(list(reader.pictures(rows[:5]))) == 5
        with pytest.raises(UserError, match="not the one that was indexed"):
            list(reader.pictures(rows[5:6]))
