"""Real pictures: 400 JPEGs in four tars, where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from recap_assets.images.index import build
from recap_assets.images.reader import PictureReader
from recap_assets.images.sources import expand
from recap_assets.images.tar_shard import TarShard

FOLDER = Path(
    os.environ.get("RECAP_TEST_STAMPS") or Path(__file__).parents[3] / "shared/data/stamps"
)

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the stamps data set is not here")


def test_every_stamp_is_a_good_row_as_webdataset_reads_it() -> None:
    webdataset = pytest.importorskip("webdataset")
    sources = expand("{00000..00003}.tar", lambda url: str(FOLDER / url))
    frames = [build(TarShard(*source)) for source in sources]
    everything = pl.concat(frames)
    assert everything.height == 400
    assert set(everything["status"]) == {"ok"}
    assert everything["url"].null_count() == 0
    assert everything.select(pl.max_horizontal("width", "height").max()).item() == 320
    assert everything["uid"].n_unique() == 400
    for source, frame in zip(sources, frames, strict=True):
        theirs = list(webdataset.WebDataset(str(source.path), shardshuffle=False))
        assert frame["key"].to_list() == [sample["__key__"] for sample in theirs]
        assert frame["alt"].to_list() == [sample["txt"].decode().strip() for sample in theirs]
        with PictureReader(TarShard(*source)) as reader:
            ranges = frame.select("key", "offset", "size", "image_sha256").rows()
            assert [reader.bytes(*row) for row in ranges] == [sample["jpg"] for sample in theirs]


def test_a_batch_of_stamps() -> None:
    (source,) = expand("00000.tar", lambda url: str(FOLDER / url))
    with PictureReader(TarShard(*source)) as reader:
        batch = reader.tensor(build(TarShard(*source)).head(8), 64, "pad")
    assert batch.shape == (8, 64, 64, 3)
    assert (batch[:, 0, 0] > 250).all(), "stamps lie on white"
