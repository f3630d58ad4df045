from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recap_assets.diffusion.saves import Saves, State
from recap_assets.experiment.errors import UserError

STATE = State(
    7,
    {"weight.a": torch.randn(3, 2, generator=torch.Generator().manual_seed(0)), "m": torch.ones(1)},
    [0.1, 1 / 3],
    {0: 2, 1: 0},
    12.5,
)


@pytest.fixture
def saves(tmp_path: Path) -> Saves:
    return Saves(tmp_path / "training" / "arm" / "0123456789ab.safetensors", "0123456789abcdef")


def test_what_is_written_is_read(saves: Saves) -> None:
    assert saves.read() is None and saves.step() is None
    saves.write(STATE)
    found = saves.read()
    assert found is not None and saves.step() == 7
    assert replace(found, tensors={}) == replace(STATE, tensors={})
    assert found.tensors.keys() == STATE.tensors.keys()
    assert all(torch.equal(found.tensors[name], STATE.tensors[name]) for name in found.tensors)
    saves.write(replace(STATE, step=9))
    assert saves.step() == 9
    saves.drop()
    assert saves.read() is None and not saves.path.parent.exists()
    saves.drop()


def test_a_state_of_another_version_is_none(saves: Saves) -> None:
    saves.write(STATE)
    other = replace(saves, version="f" * 16)
    assert other.read() is None and other.step() is None


def test_a_damaged_save_is_told_and_not_used(saves: Saves) -> None:
    saves.write(STATE)
    saves.path.write_bytes(saves.path.read_bytes()[:50])
    with pytest.raises(UserError, match="not a state of a training .*; delete it") as caught:
        saves.read()
    assert "\n" not in str(caught.value)


FULL_DISK = """
import resource, sys, torch
from pathlib import Path
from recap_assets.diffusion.saves import Saves, State
from recap_assets.experiment.errors import UserError
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
try:
    Saves(Path(sys.argv[1]), "0123456789abcdef").write(State(9, {"a": torch.zeros(10_000)}))
except UserError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of files are Unix's")
def test_a_full_disk_leaves_the_last_save(saves: Saves) -> None:
    saves.write(STATE)
    found = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(saves.path)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "cannot be written" in found.stdout, found.stderr[-2000:]
    assert saves.step() == 7
    assert [path.name for path in saves.path.parent.iterdir()] == [saves.path.name]
