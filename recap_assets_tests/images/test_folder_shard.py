"""Folders of pictures: metadata files, texts beside pictures, buckets, and what is left alone."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recap_assets.experiment.errors import UserError
from recap_assets.images import index
from recap_assets.images.buckets import bucket
from recap_assets.images.folder_shard import FolderShard, shards
from recap_assets.images.reader import PictureReader
from recap_assets.images.reading import Reading
from recap_assets_tests.images.tar_making import encoded, noise

TEXT = Reading(caption="text", url=None)


def put(root: Path, name: str, data: bytes | str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def pictures(root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        put(root, name, encoded(noise(sum(name.encode()) + number)))


def rows(root: Path, reading: Reading = TEXT, buckets: int = 1) -> pl.DataFrame:
    return pl.concat([index.build(shard, reading) for shard in shards(root, buckets)])


def by_key(frame: pl.DataFrame, column: str) -> dict[str, object]:
    return dict(frame.select("key", column).sort("key").iter_rows())


RECORDS = [
    {"file_name": "a.png", "text": "an a"},
    {"file_name": "deep/er/b.png", "text": 'a b, "quoted"'},
]


def write_metadata(root: Path, form: str) -> None:
    if form == "jsonl":
        put(root, "metadata.jsonl", "".join(f"{json.dumps(one)}\n" for one in RECORDS))
    elif form == "csv":
        with (root / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["file_name", "text"])
            writer.writeheader()
            writer.writerows(RECORDS)
    else:
        pq.write_table(pa.Table.from_pylist(RECORDS), root / "metadata.parquet")


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_metadata_of_every_form(tmp_path: Path, form: str) -> None:
    pictures(tmp_path, "a.png", "deep/er/b.png", "c.png")
    write_metadata(tmp_path, form)
    frame = rows(tmp_path)
    assert by_key(frame, "alt") == {"a.png": "an a", "c.png": "", "deep/er/b.png": 'a b, "quoted"'}
    assert set(frame["status"]) == {"ok"}
    assert json.loads(by_key(frame, "extra")["a.png"])["text"] == "an a"  # type: ignore[arg-type]


def test_agrees_with_the_library_that_defines_the_format(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    pictures(tmp_path, "a.png", "deep/er/b.png")
    write_metadata(tmp_path, "jsonl")
    theirs = datasets.load_dataset("imagefolder", data_dir=str(tmp_path), split="train")
    assert sorted(theirs["text"]) == sorted(rows(tmp_path)["alt"])


def test_metadata_in_folders_is_relative_to_its_own(tmp_path: Path) -> None:
    pictures(tmp_path, "one/a.png", "two/a.png")
    for folder in ("one", "two"):
        put(tmp_path, f"{folder}/metadata.jsonl", f'{{"image": "./a.png", "text": "{folder}"}}')
    assert by_key(rows(tmp_path), "alt") == {"one/a.png": "one", "two/a.png": "two"}


def test_texts_beside_pictures(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "b.PNG", "s/c.d.png", "d.png")
    put(tmp_path, "a.txt", "one\n\n two \n")
    put(tmp_path, "b.txt", "only")
    put(tmp_path, "s/c.d.txt", "dotted")
    put(tmp_path, "d.json", '{"text": "in json", "url": "https://x"}')
    put(tmp_path, "README.txt", "not a caption")
    assert by_key(rows(tmp_path, Reading()), "alt") == {
        "a.png": "one\n\n two",
        "b.PNG": "only",
        "d.png": "",
        "s/c.d.png": "dotted",
    }
    frame = rows(tmp_path, Reading(lines=True, url="json.url"))
    assert by_key(frame, "alt")["a.png"] == "one"
    assert json.loads(by_key(frame, "extra")["a.png"]) == {"captions": ["one", "two"]}  # type: ignore[arg-type]
    assert by_key(frame, "extra")["b.PNG"] == "{}"
    assert by_key(frame, "url")["d.png"] == "https://x"
    assert by_key(rows(tmp_path, Reading(caption="json.text")), "alt")["d.png"] == "in json"
    assert by_key(rows(tmp_path, Reading(caption="caption")), "alt")["d.png"] == ""


def test_every_picture_is_in_one_shard_and_a_new_one_moves_no_other(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"{n % 7}/{n}.png" for n in range(60)))
    before = {shard.key: set(index.build(shard)["key"]) for shard in shards(tmp_path, 5)}
    assert sorted(before) == [f"0000{n}-of-00005" for n in range(5)]
    assert sum(map(len, before.values())) == len(set().union(*before.values())) == 60
    stamps = {shard.key: shard.stamp() for shard in shards(tmp_path, 5)}
    pictures(tmp_path, "new/one.png")
    after = {shard.key: set(index.build(shard)["key"]) for shard in shards(tmp_path, 5)}
    changed = f"0000{bucket('new/one.png', 5)}-of-00005"
    assert {key for key in after if after[key] != before[key]} == {changed}
    assert after[changed] == before[changed] | {"new/one.png"}
    new = {shard.key: shard.stamp() for shard in shards(tmp_path, 5)}
    assert {key for key in new if new[key] != stamps[key]} == {changed}


def only(root: Path) -> FolderShard:
    (shard,) = shards(root, 1)
    return shard


def test_an_index_is_current_until_something_of_its_bucket_changes(tmp_path: Path) -> None:
    root, path = tmp_path / "pictures", tmp_path / "store" / "0.parquet"
    pictures(root, "a.png", "b.png")
    put(root, "a.txt", "an a")
    assert index.refresh(path, only(root))
    assert not index.refresh(path, only(root))
    changes = [
        lambda: put(root, "a.txt", "another text"),
        lambda: put(root, "b.caption", "new"),
        lambda: pictures(root, "c.png"),
        lambda: (root / "c.png").unlink(),
        lambda: put(root, "metadata.jsonl", '{"file_name": "a.png", "text": "x"}'),
        lambda: os.utime(root / "a.png", ns=(5, 5)),
    ]
    for change in changes:
        change()
        assert index.refresh(path, only(root))
        assert not index.refresh(path, only(root))
    put(root, "unrelated.pdf", "x")
    put(root, "README.txt", "x")
    assert not index.refresh(path, only(root))


def test_a_folder_that_changes_meanwhile_is_not_published(tmp_path: Path) -> None:
    root, path = tmp_path / "pictures", tmp_path / "0.parquet"
    pictures(root, "a.png")
    shard = only(root)
    frame = index.build(shard)
    pictures(root, "b.png")
    with pytest.raises(UserError, match="changed while it was indexed"):
        index.publish(path, frame, shard)
    assert not path.exists()


def test_pictures_are_read_back_and_a_changed_one_is_found_out(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "s/b.png")
    shard = only(tmp_path)
    frame = index.build(shard)
    with PictureReader(shard) as reader:
        found = [
            reader.bytes(*row)
            for row in frame.select("key", "offset", "size", "image_sha256").rows()
        ]
        assert [hashlib.sha256(data).hexdigest() for data in found] == frame[
            "image_sha256"
        ].to_list()
        put(tmp_path, "a.png", found[0] + b"more")
        with pytest.raises(UserError, match="'a.png' is not the one that was indexed"):
            list(reader.pictures(frame))


def test_links_and_hidden_files_are_not_followed(tmp_path: Path) -> None:
    root, secret = tmp_path / "pictures", tmp_path / "secret"
    pictures(root, "a.png", ".hidden.png", ".git/b.png")
    pictures(secret, "secret.png")
    put(secret, "secret.txt", "a secret")
    (root / "out.png").symlink_to(secret / "secret.png")
    (root / "in.png").symlink_to(root / "a.png")
    (root / "gone.png").symlink_to(root / "nothing.png")
    (root / "folder").symlink_to(secret)
    (root / "loop").symlink_to(root)
    (root / "a.txt").symlink_to(secret / "secret.txt")
    frame = rows(root, Reading())
    assert by_key(frame, "status") == {
        "a.png": "ok",
        "gone.png": "error",
        "in.png": "duplicate",
        "out.png": "error",
    }
    errors = by_key(frame, "error")
    assert errors["out.png"] == "no picture; out.png not read: link that leaves the folder"
    assert errors["a.png"] == "a.txt not read: link that leaves the folder"
    assert "a secret" not in set(frame["alt"])
    assert shards(root, 1)[0].seen.passed_over == {"hidden": 2, "link to a folder": 2}


def test_a_link_put_in_place_of_a_picture_later_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    pictures(root, "a.png")
    shard = only(root)
    frame = index.build(shard)
    (root / "a.png").rename(tmp_path / "outside.png")
    (root / "a.png").symlink_to(tmp_path / "outside.png")
    with PictureReader(shard) as reader, pytest.raises(UserError, match="not the one"):
        list(reader.pictures(frame))


def test_what_metadata_names_without_a_picture_is_a_row(tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    pictures(tmp_path, "outside.png")
    pictures(root, "a.png")
    names = ["a.png", "gone.png", "../outside.png", str(tmp_path / "outside.png"), "notes.txt", "x"]
    put(root, "notes.txt", "x")
    put(root, "metadata.jsonl", "\n".join(json.dumps({"file_name": n, "text": n}) for n in names))
    for buckets in (1, 7):
        frame = rows(root, buckets=buckets)
        assert set(frame["key"]) == {
            *names[:3],
            os.path.normpath(names[3]),
            "notes.txt",
            "x",
        }
        assert set(frame.filter(pl.col("status") == "ok")["key"]) == {"a.png"}
        errors = by_key(frame, "error")
        assert "cannot be read (No such file" in str(errors["gone.png"])
        assert "name with '..'" in str(errors["../outside.png"])
        assert "absolute name" in str(errors[names[3]])
        assert "no picture by its name" in str(errors["notes.txt"])


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("metadata.jsonl", '{"file_name": "a.png"}\n{', "line 2 is no JSON"),
        ("metadata.jsonl", "[1]", "line 1 is no JSON object"),
        ("metadata.jsonl", '{"text": "x"}', "row 1 has no file_name or image"),
        ("metadata.jsonl", "[" * 50_000, "line 1 is no JSON"),
        ("metadata.jsonl", '{"file_name": "' + "x" * 2_000_000, "line 1 is longer than"),
        ("metadata.csv", "text\nx\n", "row 1 has no file_name or image"),
        ("metadata.csv", 'file_name,text\na.png,"' + "x\n" * 200_000, "is no CSV"),
        ("metadata.parquet", "x" * 100, "no readable Parquet"),
    ],
)
def test_damaged_metadata_is_named(tmp_path: Path, name: str, data: str, message: str) -> None:
    pictures(tmp_path, "a.png")
    put(tmp_path, name, data)
    with pytest.raises(UserError, match=f"{name}: .*{message}"):
        rows(tmp_path)


def test_a_folder_without_pictures_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        shards(tmp_path / "gone", 4)
    put(tmp_path, "a.txt", "x")
    with pytest.raises(UserError, match="holds no picture"):
        shards(tmp_path, 4)


def test_a_name_that_is_not_utf8_is_a_row(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png")
    odd = os.fsdecode(os.fsencode(str(tmp_path)) + b"/caf\xe9.png")
    try:
        Path(odd).write_bytes(encoded(noise(9)))
    except OSError:
        pytest.skip("the disk takes UTF-8 names only")
    frame = rows(tmp_path)
    assert by_key(frame, "status") == {"a.png": "ok", "caf\\xe9.png": "error"}
