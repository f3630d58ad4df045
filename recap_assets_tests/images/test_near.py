"""Difference hashes worked out by hand, and near pairs against every pair."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from recap_assets.images import index
from recap_assets.images.decode import decode
from recap_assets.images.near import difference_hash, pairs, within
from recap_assets.images.reading import Reading
from recap_assets.images.tar_shard import TarShard
from recap_assets_tests.images.tar_making import encoded, simple


def grey(rows: list[list[int]]) -> Image.Image:
    return Image.fromarray(np.array(rows, np.uint8))


def test_hashes_by_hand() -> None:
    rising, falling = list(range(0, 90, 10)), list(range(80, -10, -10))
    assert difference_hash(grey([rising] * 8)) == -1, "every bit is set"
    assert difference_hash(grey([falling] * 8)) == 0
    assert difference_hash(grey([[7] * 9] * 8)) == 0
    assert difference_hash(grey([falling] * 7 + [rising])) == 0xFF
    step = [0, 0, 0, 0, 0, 0, 0, 0, 9]
    assert difference_hash(grey([falling] * 7 + [step])) == 1
    assert difference_hash(grey([rising, *[falling] * 7])) == -(1 << 56)


def test_agrees_with_imagehash() -> None:
    imagehash = pytest.importorskip("imagehash")
    for seed in range(5):
        image = photo(seed)
        theirs = int(str(imagehash.dhash(image)), 16)
        assert difference_hash(image) % (1 << 64) == theirs


def photo(seed: int, size: int = 200) -> Image.Image:
    """A smooth picture: coarse noise, enlarged."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


def distance(one: int, other: int) -> int:
    return ((one ^ other) % (1 << 64)).bit_count()


def test_a_copy_is_near_and_another_picture_is_far() -> None:
    hashes = [difference_hash(photo(seed)) for seed in range(20)]
    for seed in range(20):
        copy = decode(encoded(photo(seed).resize((90, 90)), "JPEG", quality=60))
        assert distance(hashes[seed], difference_hash(copy)) <= 4
    assert min(distance(*two) for two in combinations(hashes, 2)) > 8


@settings(max_examples=60)
@given(
    seeds=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=6),
    flips=st.lists(st.sets(st.integers(0, 63), max_size=18), max_size=8),
    most=st.integers(0, 16),
)
def test_pairs_are_those_of_brute_force(seeds: list[int], flips: list[set[int]], most: int) -> None:
    numbers = list(seeds)
    for n, bits in enumerate(flips):
        if seeds:
            flipped = seeds[n % len(seeds)] % (1 << 64)
            for bit in bits:
                flipped ^= 1 << bit
            numbers.append(flipped - (1 << 64) if flipped >= 1 << 63 else flipped)
    names = [f"u{n:02d}" for n in range(len(numbers))]
    frame = pl.DataFrame(
        {"uid": names, "phash": numbers}, schema={"uid": pl.String, "phash": pl.Int64}
    )
    expected = [
        (names[a], names[b])
        for a, b in combinations(range(len(numbers)), 2)
        if distance(numbers[a], numbers[b]) <= most
    ]
    assert pairs(frame, most).rows() == expected
    assert within(frame["phash"], frame["phash"][:1], most).to_list() == [
        distance(number, numbers[0]) <= most for number in numbers
    ]


def test_the_column_is_null_unless_asked_for(tmp_path: object) -> None:
    from pathlib import Path

    path = simple(Path(str(tmp_path)) / "0.tar", a__png=encoded(photo(1)), b__png=b"no")
    shard = TarShard("0", path)
    assert index.build(shard)["phash"].to_list() == [None, None]
    found = index.build(shard, Reading(near_duplicates=True))["phash"].to_list()
    assert found == [difference_hash(photo(1)), None]
