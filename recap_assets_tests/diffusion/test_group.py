"""Processes that train as one, against one that trains alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from recap_assets.diffusion.group import buckets
from recap_assets.stages.processes.launch import launch
from recap_assets_tests.diffusion import grouped

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs process groups")
NAME = grouped.__name__


@given(st.lists(st.integers(0, 9)), st.integers(1, 12))
def test_buckets_keep_all_in_order_and_to_their_size(sizes: list[int], most: int) -> None:
    given = [torch.zeros(size, dtype=torch.half if size % 2 else torch.int) for size in sizes]
    found = list(buckets(given, most))
    assert [id(tensor) for bucket in found for tensor in bucket] == [id(tensor) for tensor in given]
    for bucket in found:
        assert len({tensor.dtype for tensor in bucket}) == 1
        assert len(bucket) == 1 or sum(tensor.numel() for tensor in bucket) <= most


@posix
@pytest.mark.slow
def test_every_process_has_the_sum_and_what_the_first_one_had(tmp_path: Path) -> None:
    launch(NAME, ["exchange", str(tmp_path)], 3)
    each = [grouped.tensors(number) for number in range(3)]
    sums = [load_file(tmp_path / f"sum-{number}.safetensors") for number in range(3)]
    for number in range(3):
        same = load_file(tmp_path / f"same-{number}.safetensors")
        for name, first in each[0].items():
            assert torch.equal(same[name], first)
            assert torch.equal(sums[number][name], sums[0][name])
    for name, found in sums[0].items():
        a, b, c = (tensors[name] for tensors in each)
        rounding = 0.02 if found.dtype == torch.bfloat16 else 1e-6
        torch.testing.assert_close(found, a + b + c, rtol=0, atol=rounding)
