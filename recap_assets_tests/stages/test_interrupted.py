"""Builds that end in the middle: by a person, by the disk, by a signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import polars as pl
import pytest

from recap_assets.experiment.project import Project
from recap_assets.stages import captioner
from recap_assets.stages.graph import STAGES
from recap_assets.stages.progress import listening
from recap_assets_tests.small_project import (
    Samples,
    change,
    drawn,
    edit,
    files,
    heed_ctrl_c,
    run,
    tar,
)

pytestmark = pytest.mark.slow

#: Bytes of the largest file that may be written; less than any artifact has.
ROOM = 2000
FULL_DISK = """
import json, resource, sys
from recap_assets.experiment.errors import UserError
from recap_assets.captioning.load import load
from recap_assets.experiment.project import Project
from recap_assets.stages import captioner
from recap_assets.stages.graph import STAGES
project = Project.open()
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
for asset, key in json.loads(sys.argv[2]):
    try:
        STAGES[asset].build(project, key)
        told = None
    except UserError as error:
        told = str(error)
    print(json.dumps(told), flush=True)
"""


def replace_last(samples: Samples) -> None:
    """One picture takes the place of another that looks different."""
    first, *_, last = sorted(samples)
    data = samples[first]["png"]
    samples[last]["png"] = data + b"\0"  # other bytes, the same picture


def artifacts(project: Project) -> dict[str, bytes]:
    """Everything below the root but Dagster's history."""
    found = files(project.root)
    return {name: data for name, data in found.items() if not name.startswith("dagster/")}


def _tune(project: Project) -> Project:
    return change(project, "captioners.recap.tune.seed", 1)


def _recaption(project: Project) -> Project:
    return change(project, "styles.long.max_tokens", 40)


def _encode(project: Project) -> Project:
    edit(tar(project, "00000"), replace_last)
    assert not run(project, "images").failed
    return project


def _train(project: Project) -> Project:
    return change(project, "t2i.seed", 1)


def _draw(project: Project) -> Project:
    return change(project, "evaluation.seed", 1)


@pytest.mark.parametrize(
    ("asset", "key", "need"),
    [
        ("captioner", "recap", _tune),
        ("latents", "00000", _encode),
        ("t2i_checkpoint", "mix-both-s0", _train),
        ("samples", "base", _draw),
    ],
)
def test_a_build_that_is_stopped_leaves_everything_as_it_was(
    built: Project, asset: str, key: str, need: Callable[[Project], Project]
) -> None:
    asked = need(built)
    before = artifacts(asked)

    def stop(done: int, total: int, what: str) -> None:
        raise KeyboardInterrupt(what)

    with pytest.raises(KeyboardInterrupt), listening(stop):
        STAGES[asset].build(asked, key)
    assert artifacts(asked) == before


def test_captioning_that_is_stopped_keeps_its_batches(built: Project) -> None:
    asked = change(_recaption(built), "captioners.recap.batch", 3)
    before = artifacts(asked)
    version = captioner.wanted(asked, "recap")
    model = captioner.loaded(asked, "recap", version)

    def stop(done: int, total: int, what: str) -> None:
        if done == 6:
            raise KeyboardInterrupt(what)

    with pytest.raises(KeyboardInterrupt), listening(stop):
        STAGES["recaptions"].build(asked, "00000")
    after = artifacts(asked)
    left = set(after) - set(before)
    assert all(name.startswith("pending/00000/") for name in left) and len(left) == 2
    assert before.items() <= after.items()

    seen = model.encodes
    assert STAGES["recaptions"].build(asked, "00000").computed == 2
    assert model.encodes - seen == 2
    assert not list((asked.root / "pending").rglob("*.parquet"))


def test_a_full_disk_is_told_in_a_line_and_leaves_everything_as_it_was(built: Project) -> None:
    asked = _draw(_tune(built))
    edit(tar(asked, "00001"), replace_last)
    before = artifacts(asked)
    wanted = [("images", "00001"), ("captioner", "recap"), ("samples", "base")]
    found = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(ROOM), json.dumps(wanted)],
        env=os.environ | {"RECAP_CONFIG": str(asked.file), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-2000:]
    told = [json.loads(line) for line in found.stdout.splitlines()]
    assert len(told) == len(wanted)
    for reason in told:
        assert reason is not None
        assert "cannot be written (File too large); make room or choose another root" in reason
        assert "\n" not in reason
    assert artifacts(asked) == before


def test_ctrl_c_keeps_what_was_finished(project: Project) -> None:
    drawn(project)
    environment = os.environ | {
        "RECAP_CONFIG": str(project.file),
        "DAGSTER_HOME": str(project.dagster_home),
        "OMP_NUM_THREADS": "1",
    }
    command = "from recap_assets.cli import main; import sys; sys.argv = ['recap', 'run']; main()"
    with subprocess.Popen(
        [sys.executable, "-c", command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_ctrl_c,
    ) as process:
        deadline = time.monotonic() + 200
        while not project.image_index("00001").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=200)
    assert process.returncode == 130, told[-2000:]
    assert told.strip().splitlines()[-1] == "recap: stopped; what was finished is kept"
    assert "Traceback" not in told
    assert not list(project.root.rglob(".tmp-*"))
    for path in project.root.rglob("*.parquet"):
        pl.read_parquet(path)
    assert run(project, "images").ran == []
    # Somebody stopped it: nothing is wrong with what was not built.
    assert not list((project.root / "failures").rglob("*.json"))
