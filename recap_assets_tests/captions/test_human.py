from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from recap_assets.captions import human
from recap_assets.captions.human import HUMAN, HumanCaptions, content_digest
from recap_assets.experiment.errors import UserError
from recap_assets.images.tar_shard import TarShard
from recap_assets_tests.captions.making import sha_of

STYLES = {"short": "json.short", "long": "txt"}


def read_human(
    tars: Sequence[Path],
    captions: dict[str, str],
    images: int,
    validation: float,
    seed: int,
    **options: Any,
) -> HumanCaptions:
    shards = [TarShard(tar.stem, tar) for tar in tars]
    return human.read_human(shards, captions, images, validation, seed, **options)


def picture(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (number % 256, number // 256, 7)).save(buffer, "PNG")
    return buffer.getvalue()


def sample(number: int, **changes: bytes | None) -> dict[str, bytes]:
    members: dict[str, bytes | None] = {
        "png": picture(number),
        "txt": f"A long caption\nof {number}.".encode(),
        "json": json.dumps({"short": f"short {number}"}).encode(),
    }
    return {name: data for name, data in (members | changes).items() if data is not None}


def write_tar(path: Path, samples: dict[str, dict[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for key, members in samples.items():
            for extension, data in members.items():
                header = tarfile.TarInfo(f"{key}.{extension}")
                header.size = len(data)
                tar.addfile(header, io.BytesIO(data))
    return path


def many(count: int) -> dict[str, dict[str, bytes]]:
    return {f"{number:04}": sample(number) for number in range(count)}


def test_rows_by_hand(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", many(3))
    found = read_human([tar], STYLES, 10, 0.0, 0)
    assert found.frame.schema == HUMAN
    assert found.frame.height == 6
    row = found.frame.filter((pl.col("key") == "0001") & (pl.col("style") == "long"))
    assert row.row(0, named=True)["image"] == picture(1)
    assert row.row(0, named=True)["caption"] == "A long caption of 1."
    assert row["uid"][0] == row["image_sha256"][0][:32]
    assert set(found.frame["split"]) == {"train"}
    assert found.skipped == {}


def test_alt_text_and_json_come_along_unless_people_wrote_the_alt_text(tmp_path: Path) -> None:
    told = json.dumps({"short": "two", "web": " a shop "})
    tar = [write_tar(tmp_path / "a.tar", {"a": sample(1), "b": sample(2, json=told.encode())})]
    rows = read_human(tar, STYLES, 10, 0.0, 0, alt="json.web").frame.filter(style="short")
    assert dict(rows.select("key", "alt").iter_rows()) == {"a": "", "b": "a shop"}
    assert dict(rows.select("key", "extra").iter_rows())["b"] == told
    for place in ("txt", "json.short"):
        assert set(read_human(tar, STYLES, 10, 0.0, 0, alt=place).frame["alt"]) == {""}


def test_unusable_samples_are_counted(tmp_path: Path) -> None:
    samples = many(2) | {
        "no-text": sample(10, txt=None),
        "blank": sample(11, txt=b" \n"),
        "no-field": sample(12, json=b"{}"),
        "bad-json": sample(13, json=b"{"),
        "no-picture": sample(14, png=None),
        "damaged": sample(15, png=picture(15)[:40]),
        "again": sample(0),
    }
    found = read_human([write_tar(tmp_path / "a.tar", samples)], STYLES, 10, 0.5, 0)
    assert sorted(found.frame["key"].unique()) == ["0000", "0001"]
    assert found.skipped == {
        "no caption": 4,
        "no picture": 1,
        "undecodable picture": 1,
        "repeated picture": 1,
    }


def test_the_choice_depends_on_seed_and_pictures_alone(tmp_path: Path) -> None:
    samples = many(40)
    one = [write_tar(tmp_path / "a.tar", samples)]
    items = list(reversed(samples.items()))
    parts = [
        write_tar(tmp_path / "b.tar", {f"x{key}": data for key, data in items[:15]}),
        write_tar(tmp_path / "c.tar", {f"x{key}": data for key, data in items[15:]}),
    ]
    first, packed, other = (
        read_human(paths, STYLES, 12, 0.25, seed).frame
        for paths, seed in ((one, 0), (parts, 0), (one, 1))
    )
    assert first["uid"].n_unique() == 12
    assert first.drop("key").equals(packed.drop("key"))
    assert set(first["uid"]) != set(other["uid"])


def test_a_larger_set_holds_the_smaller(tmp_path: Path) -> None:
    tar = [write_tar(tmp_path / "a.tar", many(40))]
    sets = [set(read_human(tar, STYLES, images, 0.1, 0).frame["uid"]) for images in (10, 20, 30)]
    assert sets[0] < sets[1] < sets[2]


@pytest.mark.parametrize(
    ("images", "share", "held"),
    [(20, 0.1, 2), (20, 0.0, 0), (3, 0.1, 1), (2, 0.9, 1), (20, 0.25, 5)],
)
def test_the_split_is_one_for_all_styles(
    tmp_path: Path, images: int, share: float, held: int
) -> None:
    tar = [write_tar(tmp_path / "a.tar", many(20))]
    frame = read_human(tar, STYLES, images, share, 0).frame
    splits = frame.group_by("uid").agg(pl.col("split").unique())
    assert splits["split"].list.len().unique().to_list() == [1]
    assert (splits["split"].list.first() == "validation").sum() == held


def test_few_pictures_warn_and_one_is_an_error(tmp_path: Path) -> None:
    def read(count: int, images: int) -> list[str]:
        tar = write_tar(tmp_path / f"{count}.tar", many(count))
        return read_human([tar], STYLES, images, 0.1, 0).warnings

    assert read(100, 100) == []
    assert len(read(90, 100)) == 1
    assert len(read(10, 10)) == 1
    assert len(read(2, 100)) == 2
    with pytest.raises(UserError, match=r"1 usable .* long in txt"):
        read(1, 100)
    with pytest.raises(UserError, match="no samples"):
        read(0, 100)


def test_too_few_names_the_reasons(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", {"a": sample(1), "b": sample(2, txt=None)})
    with pytest.raises(UserError, match="no caption: 1"):
        read_human([tar], STYLES, 10, 0.1, 0)


def test_styles_must_be_named_and_be_keys(tmp_path: Path) -> None:
    tar = [write_tar(tmp_path / "a.tar", many(3))]
    with pytest.raises(UserError, match="no style"):
        read_human(tar, {}, 10, 0.1, 0)
    with pytest.raises(UserError, match="style"):
        read_human(tar, {"../x": "txt"}, 10, 0.1, 0)


def test_a_missing_tar_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.tar"):
        read_human([tmp_path / "none.tar"], STYLES, 10, 0.1, 0)


def test_pictures_over_the_pixel_limit_are_not_usable(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", many(3))
    with pytest.raises(UserError, match="undecodable picture: 3"):
        read_human([tar], STYLES, 10, 0.1, 0, max_pixels=15)


def test_the_content_digest_is_of_one_styles_pictures_captions_and_split() -> None:
    row = {"uid": "u", "key": "k", "image_sha256": sha_of("a"), "caption": "c", "split": "train"}
    frame = pl.DataFrame(
        [row | {"style": style, "image": b"x"} for style in ("long", "short")], schema=HUMAN
    )
    digest = content_digest(frame, "long")

    def changed(column: str, value: str, style: str) -> bool:
        expression = pl.when(pl.col("style") == style).then(pl.lit(value)).otherwise(column)
        return content_digest(frame.with_columns(expression.alias(column)), "long") != digest

    for column in ("image_sha256", "caption", "split"):
        assert changed(column, "other", "long")
        assert not changed(column, "other", "short")
    assert not changed("key", "other", "long")
    assert content_digest(frame.reverse(), "long") == digest == content_digest(frame, "short")
