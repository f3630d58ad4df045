"""COCO captions: several captions an image, pictures in a folder of their own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from recap_assets.experiment.errors import UserError
from recap_assets.images import index
from recap_assets.images.coco import CocoShard, shards
from recap_assets.images.reader import PictureReader
from recap_assets.images.reading import Reading
from recap_assets_tests.images.tar_making import encoded, noise

READING = Reading(caption="caption", url="coco_url")


def coco(folder: Path, names: Sequence[str], annotations_first: bool = False) -> Path:
    """A JSON as COCO has it, with two captions for every image but the last, and the pictures."""
    images = [
        {"id": 10 + n, "file_name": name, "coco_url": f"http://x/{name}", "license": 3}
        for n, name in enumerate(names)
    ]
    captions = [
        {
            "id": 100 * k + one["id"],
            "image_id": one["id"],
            "caption": f"{k} of {one['file_name']}\n",
        }
        for k in range(2)
        for one in images[:-1]
    ]
    for n, name in enumerate(names):
        (folder / "images").mkdir(parents=True, exist_ok=True)
        (folder / "images" / name).write_bytes(encoded(noise(n)))
    lists = {"images": images, "annotations": captions}
    if annotations_first:
        lists = dict(reversed(lists.items()))
    path = folder / "captions.json"
    path.write_text(json.dumps({"info": {"images": [1]}, **lists}), encoding="utf-8")
    return path


def rows(found: Sequence[CocoShard]) -> pl.DataFrame:
    return pl.concat([index.build(shard, READING) for shard in found]).sort("key")


@pytest.mark.parametrize("buckets", [1, 4])
@pytest.mark.parametrize("annotations_first", [False, True])
def test_every_caption_is_kept_and_the_first_is_the_alt_text(
    tmp_path: Path, buckets: int, annotations_first: bool
) -> None:
    names = [f"{n}.png" for n in range(9)]
    path = coco(tmp_path, names, annotations_first)
    frame = rows(shards(path, tmp_path / "images", buckets))
    assert frame["key"].to_list() == names
    assert frame["alt"].to_list() == [*(f"0 of {name}" for name in names[:-1]), ""]
    assert frame["url"].to_list() == [f"http://x/{name}" for name in names]
    assert set(frame["status"]) == {"ok"}
    extras = [json.loads(text) for text in frame["extra"]]
    assert extras[2]["captions"] == ["0 of 2.png", "1 of 2.png"]
    assert extras[2]["license"] == 3
    assert extras[-1]["captions"] == []


def test_pictures_are_read_back(tmp_path: Path) -> None:
    path = coco(tmp_path, ["a.png", "b.png"])
    (shard,) = shards(path, tmp_path / "images", 1)
    with PictureReader(shard) as reader:
        assert len(list(reader.pictures(index.build(shard)))) == 2


def test_odd_entries_are_rows_or_passed_over(tmp_path: Path) -> None:
    path = coco(tmp_path, ["a.png", "b.png"])
    (tmp_path / "outside.png").write_bytes(encoded(noise(7)))
    odd = ["../outside.png", "gone.png", "/etc/passwd", ".hidden.png"]
    images = [{"id": n, "file_name": name} for n, name in enumerate(["a.png", *odd])]
    images += [{"id": 77}, 5, {"id": [1], "file_name": 3}, {"id": {}, "file_name": "b.png"}]
    annotations = [{"image_id": [1], "caption": "x"}, 7, {"image_id": 0, "caption": None}]
    path.write_text(json.dumps({"images": images, "annotations": annotations}), "utf-8")
    for buckets in (1, 6):
        frame = rows(shards(path, tmp_path / "images", buckets))
        assert set(frame["key"]) == {"a.png", "b.png", *odd}
        assert set(frame.filter(pl.col("status") == "ok")["key"]) == {"a.png", "b.png"}


def test_the_stamp_is_of_captions_and_pictures(tmp_path: Path) -> None:
    path = coco(tmp_path, ["a.png", "b.png"])
    images, store = tmp_path / "images", tmp_path / "0.parquet"
    assert index.refresh(store, shards(path, images, 1)[0])
    assert not index.refresh(store, shards(path, images, 1)[0])
    (images / "b.png").write_bytes(encoded(noise(8, 5, 5)))
    assert index.refresh(store, shards(path, images, 1)[0])
    path.write_text(path.read_text("utf-8").replace("0 of", "zero of"), "utf-8")
    assert index.refresh(store, shards(path, images, 1)[0])


@pytest.mark.parametrize("text", ["", "[]", '{"images": [{"id": 1, "file_name": "a.png"}', "\xff"])
def test_a_damaged_json_is_named(tmp_path: Path, text: str) -> None:
    path = coco(tmp_path, ["a.png", "b.png"])
    path.write_text(text, "latin-1")
    with pytest.raises(UserError, match=r"captions\.json: "):
        rows(shards(path, tmp_path / "images", 1))
