"""Formats given hostile keys and models in folders: nothing leaves the target, nothing is told."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recap_assets.captions import rows as caption_rows
from recap_assets.captions.export import kohya, webdataset
from recap_assets.captions.export.about import About, public
from recap_assets.captions.export.choice import Choice
from recap_assets.captions.export.columns import check_styles
from recap_assets.captions.export.selection import Rules, select
from recap_assets.captions.export.shard import Row, Shard, gather
from recap_assets.captions.generated import Generated
from recap_assets.captions.recipe import Recipe
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captions.making import index_of, index_row, make_recipe, make_stamp
from recap_assets_tests.small_project import files

KEYS = [
    "../out",
    "/etc/x",
    "a/../../b",
    "C:\\x",
    "same",
    "same",
    "Same",
    "my.photo",
    "a",
    "a.txt/b",
]


@contextmanager
def pictures(shard: str) -> Iterator[Callable[[Row], bytes]]:
    yield lambda row: str(row["uid"]).encode()


def hostile(recipe: Recipe) -> tuple[Shard, About]:
    index = index_of([index_row(str(i), key=key) for i, key in enumerate(KEYS)])
    texts = [Generated(f"caption {i}") for i in range(len(KEYS))]
    stored = caption_rows.build(index, texts, recipe, make_stamp("run"))
    shard = Choice(style="long").apply(gather("00000", index, {"long": stored}, {"long": recipe}))
    selection = select([shard], Rules())
    about = About("webdataset", {"long": recipe}, selection.counts, "of style long", False)
    return selection.apply(shard), about


def test_kohya_writes_below_its_folder_alone(tmp_path: Path) -> None:
    shard, _ = hostile(make_recipe())
    (tmp_path / "in" / "out").mkdir(parents=True)
    kohya.write(tmp_path / "in" / "out", [shard], pictures, ".txt")
    written = files(tmp_path)
    assert len(written) == 2 * len(KEYS)
    assert all(name.startswith("in/out/") for name in written)
    assert {"in/out/my.photo.png", "in/out/a_txt/b.txt", "in/out/a.txt"} <= set(written)
    for name, data in written.items():
        if name.endswith(".png"):
            number = KEYS.index("a") if name == "in/out/a.png" else None
            text = written[name.removesuffix("png") + "txt"].decode()
            (uid,) = [u for u in shard.rows["uid"] if u.encode() == data]
            assert text == f"caption {shard.rows['uid'].to_list().index(uid)}\n"
            assert number is None or text == f"caption {number}\n"


def test_webdataset_keeps_keys_that_come_back_and_changes_the_others(tmp_path: Path) -> None:
    shard, about = hostile(make_recipe())
    webdataset.write(tmp_path, [shard], pictures, about)
    with tarfile.open(tmp_path / "00000.tar") as tar:
        names = [one.name.removesuffix(".png") for one in tar if one.name.endswith(".png")]
        told = [json.load(tar.extractfile(m) or io.BytesIO()) for m in tar if "json" in m.name]
    uid = shard.rows["uid"][5]
    assert names[:4] == ["__/out", "etc/x", "a/__/__/b", "C__x"]
    assert names[4:] == ["same", f"same_{uid[:8]}", "Same", "my_photo", "a", "a.txt/b"]
    assert [one["source_key"] for one in told] == KEYS


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("base:captioner", "base:captioner"),
        ("Salesforce/blip", "Salesforce/blip"),
        ("models/mine", "models/mine"),
        ("/home/lovelace/models/mine", "mine"),
        ("~/mine", "mine"),
        ("../lovelace/mine", "mine"),
        ("C:\\Users\\lovelace\\mine", "mine"),
    ],
)
def test_a_models_folder_is_not_told(tmp_path: Path, model: str, shown: str) -> None:
    assert public(model) == shown
    shard, about = hostile(make_recipe(model_id=model))
    webdataset.write(tmp_path, [shard], pictures, about)
    data = (tmp_path / "00000.tar").read_bytes()
    assert shown.encode() in data
    assert b"lovelace" not in data
    assert "lovelace" not in json.dumps(about.record())


def test_a_style_named_like_a_column_is_refused() -> None:
    check_styles(["alt", "long"])
    with pytest.raises(UserError, match="style 'url': a table of this format has such a column"):
        check_styles(["alt", "url"])
