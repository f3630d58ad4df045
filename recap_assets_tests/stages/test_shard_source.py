from __future__ import annotations

import pickle

import numpy as np
import pytest

from recap_assets.captioning.feed import Feed, ReadError
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.project import Project
from recap_assets.images.reader import PictureReader
from recap_assets.stages import images
from recap_assets.stages.shard_source import ShardSource
from recap_assets_tests import small_project
from recap_assets_tests.captioning.plain import Shrunk
from recap_assets_tests.conftest import Built
from recap_assets_tests.small_project import run


def source_of(project: Project) -> ShardSource:
    rows = images.usable(project, "00000").reverse()
    return ShardSource(images.source(project, "00000"), rows, 1_000_000)


def test_pictures_are_those_of_the_rows_in_their_order(first_run: Built) -> None:
    source = source_of(first_run.project)
    with PictureReader(source.shard) as reader:
        expected = [np.asarray(picture) for picture in reader.pictures(source.rows)]
    assert len(expected) >= 6
    whole = source(0, len(expected))
    # A part as another process gets it.
    part = pickle.loads(pickle.dumps(source.part(2, 5)))
    for got, wanted in (
        (whole, expected),
        (part(0, 3), expected[2:5]),
        (part(1, 2), expected[3:4]),
    ):
        assert len(got) == len(wanted)
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(np.asarray(a), b)
    assert part.rows.height == 3


def test_other_processes_read_the_same(first_run: Built) -> None:
    source = source_of(first_run.project)
    n = source.rows.height
    here, there = (list(Feed([Shrunk()], decoders, 16)(source, n)) for decoders in (0, 2))
    for a, b in zip(here, there, strict=True):
        assert not isinstance(a, ReadError) and not isinstance(b, ReadError)
        np.testing.assert_array_equal(a[0]["pixel_values"], b[0]["pixel_values"])


def test_a_shard_that_changed_is_told(project: Project) -> None:
    run(project, "images")
    source = source_of(project)
    tar = small_project.tar(project, "00000")
    data = bytearray(tar.read_bytes())
    offset = source.rows["offset"][0]
    data[offset + 20 : offset + 60] = bytes(40)
    tar.write_bytes(bytes(data))
    with pytest.raises(UserError, match="is not the one that was indexed"):
        source(0, 1)
