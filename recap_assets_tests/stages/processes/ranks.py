"""What the ranks of the tests do: `python -m` this module, started by `launch`."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import timedelta
from itertools import count
from pathlib import Path

from recap_assets.experiment.errors import UserError
from recap_assets.stages.processes import rank
from recap_assets.stages.processes.notes import Notes
from recap_assets.stages.progress import tell
from recap_assets_tests.alive import wait_until


def work(notes: Notes) -> None:
    what, *arguments = sys.argv[1:]
    globals()[what](notes, *arguments)


def environment(notes: Notes, folder: str) -> None:
    """Write down where this rank finds itself."""
    told = json.dumps(dict(os.environ))
    (Path(folder) / f"rank-{rank.rank()}.json").write_text(told, encoding="utf-8")
    tell(1, 2, "half")
    tell(2, 2, "whole")


def sum(notes: Notes, folder: str) -> None:
    """Add up 1 and 2 with the other rank."""
    import torch

    _joined(notes)
    total = torch.tensor(rank.rank() + 1)
    torch.distributed.all_reduce(total)
    (Path(folder) / str(rank.rank())).write_text(str(total.item()), encoding="utf-8")


def mistaken(notes: Notes) -> None:
    """Rank 1 finds a user's mistake while rank 0 waits for it."""
    if rank.rank() == 1:
        raise UserError("t2i.lr: too low; raise it")
    _wait_for_the_other(notes)


def broken(notes: Notes) -> None:
    """Rank 1 fails while rank 0 waits for it in a collective."""
    if rank.rank() == 1:
        _joined(notes)
        print("about to divide")
        print(1 / 0)
    _wait_for_the_other(notes)


def slow(notes: Notes, folder: str) -> None:
    """Rank 1 fails while rank 0 is still telling what it failed of."""
    begun, asked = Path(folder) / "begun", count()

    class Slow(Exception):
        def __str__(self) -> str:
            begun.touch()
            # The trace is the first that asks, and takes no interruption.
            if next(asked) == 1:
                time.sleep(60)
            return "slow"

    if rank.rank() == 0:
        raise Slow
    wait_until(begun.exists)
    print(1 / 0)


def killed(notes: Notes) -> None:
    """Rank 1 is killed while rank 0 waits for it in a collective."""
    if rank.rank() == 1:
        _joined(notes)
        os.kill(os.getpid(), 9)
    _wait_for_the_other(notes)


def endless(notes: Notes, folder: str) -> None:
    """Work that somebody has to end; a file is there while a rank unwinds."""
    (Path(folder) / f"pid-{rank.rank()}").write_text(str(os.getpid()), encoding="utf-8")
    try:
        while True:
            tell(1, 2, "working")
            time.sleep(0.05)
    finally:
        (Path(folder) / f"unwound-{rank.rank()}").touch()


def _joined(notes: Notes) -> None:
    import torch.distributed

    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{notes.group}",
        rank=rank.rank(),
        world_size=rank.count(),
        timeout=timedelta(seconds=60),
    )


def _wait_for_the_other(notes: Notes) -> None:
    import torch

    _joined(notes)
    torch.distributed.all_reduce(torch.ones(1))


if __name__ == "__main__":
    rank.main(work)
