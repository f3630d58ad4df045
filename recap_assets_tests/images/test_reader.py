"""Pictures by byte range, and a tar that changed under its index."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from recap_assets.experiment.errors import UserError
from recap_assets.images.fit import fit
from recap_assets.images.index import build
from recap_assets.images.reader import PictureReader
from recap_assets.images.tar_shard import TarShard
from recap_assets_tests.images.tar_making import encoded, noise, simple

FILES = {
    f"{n}__{form}": encoded(noise(n, 9 + n, 8), form)
    for n, form in enumerate(("png", "gif", "bmp"))
}


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    return simple(tmp_path / "0.tar", **FILES, bad__jpg=b"nothing")


@pytest.fixture
def rows(tar: Path) -> pl.DataFrame:
    return build(TarShard("0", tar))


def good(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("status") == "ok")


def test_bytes_are_the_members(tar: Path, rows: pl.DataFrame) -> None:
    with PictureReader(TarShard("0", tar)) as reader:
        found = [
            reader.bytes(*row)
            for row in good(rows).select("key", "offset", "size", "image_sha256").rows()
        ]
    assert found == list(FILES.values())


def test_pictures_come_in_the_rows_order(tar: Path, rows: pl.DataFrame) -> None:
    with PictureReader(TarShard("0", tar)) as reader:
        found = list(reader.pictures(good(rows).reverse()))
    expected = [Image.open(io.BytesIO(data)).convert("RGB") for data in reversed(FILES.values())]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("how", ["crop", "pad"])
def test_tensor_is_the_fitted_pictures(tar: Path, rows: pl.DataFrame, how: str) -> None:
    with PictureReader(TarShard("0", tar)) as reader:
        batch = reader.tensor(good(rows), 6, how)
        pictures = list(reader.pictures(good(rows)))
    assert (batch.dtype, batch.shape) == (np.dtype(np.uint8), (3, 6, 6, 3))
    for slot, picture in zip(batch, pictures, strict=True):
        np.testing.assert_array_equal(slot, np.asarray(fit(picture, 6, how)))


def test_no_rows_give_an_empty_tensor(tar: Path, rows: pl.DataFrame) -> None:
    with PictureReader(TarShard("0", tar)) as reader:
        assert reader.tensor(rows.clear(), 6).shape == (0, 6, 6, 3)


def test_a_changed_tar_is_found_out(tar: Path, rows: pl.DataFrame) -> None:
    data = bytearray(tar.read_bytes())
    data[rows["offset"][1] + 3] ^= 1
    tar.write_bytes(data)
    with PictureReader(TarShard("0", tar)) as reader:
        next(reader.pictures(rows))
        with pytest.raises(UserError, match=r"0\.tar: the picture .* index it again"):
            list(reader.pictures(rows))


def test_a_cut_tar_is_found_out(tar: Path, rows: pl.DataFrame) -> None:
    tar.write_bytes(tar.read_bytes()[: rows["offset"][2] + 5])
    with (
        PictureReader(TarShard("0", tar)) as reader,
        pytest.raises(UserError, match="the shard changed"),
    ):
        list(reader.pictures(rows[2:]))


def test_rows_of_status_error_are_a_user_error(tar: Path, rows: pl.DataFrame) -> None:
    with (
        PictureReader(TarShard("0", tar)) as reader,
        pytest.raises(UserError, match=r"'bad'.*status is error"),
    ):
        list(reader.pictures(rows))


def test_the_file_is_closed(tar: Path) -> None:
    with PictureReader(TarShard("0", tar)) as reader:
        pass
    with pytest.raises(ValueError, match="closed"):
        reader.bytes("", 0, 1, "")


def test_a_missing_tar_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        PictureReader(TarShard("0", tmp_path / "gone.tar"))
