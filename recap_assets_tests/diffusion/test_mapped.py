from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import save_file

from recap_assets.diffusion.mapped import MappedLatents
from recap_assets.experiment.errors import UserError


def write(path: Path, uids: list[str], latents: torch.Tensor) -> Path:
    save_file({"latents": latents}, path, {"uids": str(uids).replace("'", '"')})
    return path


def test_rows_are_those_of_the_files_sorted_by_uid(tmp_path: Path) -> None:
    first = torch.randn(3, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    second = first + 1
    files = [
        write(tmp_path / "0.safetensors", ["d", "a", "held"], first),
        write(tmp_path / "1.safetensors", ["c", "d", "b"], second),
        write(tmp_path / "2.safetensors", [], torch.zeros(0)),
    ]
    found = MappedLatents(files, {"held"})
    assert found.uids == ["a", "b", "c", "d"] and len(found) == 4
    expected = torch.stack([first[1], second[2], second[0], second[1]])
    assert torch.equal(found[np.arange(4)], expected)
    assert torch.equal(found[np.array([3, 0])], expected[[3, 0]])


def test_nothing_at_all() -> None:
    assert len(MappedLatents([], set())) == 0


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "0.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match="not a file of latents"):
        MappedLatents([tmp_path / "0.safetensors"], set())


def test_the_files_are_not_held_in_memory(tmp_path: Path) -> None:
    uids = [f"{n:05d}" for n in range(2000)]
    file = write(tmp_path / "0.safetensors", uids, torch.zeros(2000, 4, 64, 64))
    size = file.stat().st_size
    process = psutil.Process()
    before = process.memory_info().rss
    found = MappedLatents([file], set())
    assert found[np.array([1999])].shape == (1, 4, 64, 64)
    assert size > 120e6 and process.memory_info().rss - before < 0.2 * size
