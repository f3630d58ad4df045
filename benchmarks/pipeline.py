"""How much of the model's own rate is left from tars to Parquet: python -m benchmarks.pipeline

The model alone captions pictures that are in memory at the size it reads, in one process with all
threads and in a process of one thread for each core; the faster counts. The pipeline does what
`recap run` does. A rate is that of the pictures that a longer run has more than a shorter one, so
that starting and loading cost neither side anything.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks import models
from benchmarks.captioning import BATCH, LIMIT, Project, run
from benchmarks.models import PROMPTS
from benchmarks.rounds import Ratio, child, in_turns, machine
from recap_assets.experiment.cores import cores

WARM = BATCH


def alone(model: Path, pictures: int, processes: int) -> float:
    """Seconds that the model takes for pictures in memory, shared evenly by so many processes."""
    context = get_context("spawn")
    ready, share = context.Barrier(processes), pictures // processes
    seconds = context.Queue()
    threads = max(1, cores() // processes)
    told = (str(model), share, threads, ready, seconds)
    started = [context.Process(target=_captions, args=told) for _ in range(processes)]
    for one in started:
        one.start()
    slowest = max(seconds.get() for _ in started)
    for one in started:
        one.join()
    return float(slowest)


def _captions(model: str, pictures: int, threads: int, ready: Any, seconds: Any) -> None:
    import torch
    from PIL import Image

    from recap_assets.captioning.generate import caption
    from recap_assets.captioning.load import load
    from recap_assets.scenes.draw import draw
    from recap_assets.scenes.scene import sample

    torch.set_num_threads(threads)
    captioner = load(Path(model))
    side = int(captioner.family.model.config.vision_config.image_size)
    read = [Image.fromarray(draw(sample(n))).resize((side, side)) for n in range(pictures)]
    asked = {style: (prompt, LIMIT) for style, prompt in PROMPTS.items()}
    caption(captioner, read[:WARM], asked, BATCH)
    ready.wait()
    started = time.perf_counter()
    caption(captioner, read, asked, BATCH)
    seconds.put(time.perf_counter() - started)


def pipeline(folder: Path, shards: int) -> dict[str, float]:
    """Seconds of the two stages over the first shards."""
    from recap_assets.experiment.project import Project as Opened

    opened = Opened.open(Project(folder).part(shards, list(PROMPTS)))
    return {stage: run(opened, stage) for stage in ("images", "recaptions")}


def _compare(asked: argparse.Namespace, model: Path, folder: Path) -> None:
    short, long = cores(), cores() + asked.shards
    Project(folder).write(long, str(model), asked.pictures)
    timed = asked.shards * asked.pictures
    stages: list[dict[str, float]] = []

    def through() -> float:
        runs = [
            child("benchmarks.pipeline", "--folder", str(folder), "--part", str(shards))
            for shards in (short, long)
        ]
        stages.append({stage: runs[1][stage] - runs[0][stage] for stage in runs[0]})
        return sum(stages[-1].values())

    layouts = {f"{n} processes": n for n in {1, cores()}}
    sides = {name: lambda n=n: alone(model, timed, n) for name, n in layouts.items()}
    found = in_turns({**sides, "pipeline": through}, asked.rounds)
    best = min(layouts, key=lambda name: statistics.median(found[name]))
    for name in layouts:
        print(f"the model alone, {name}: {timed / statistics.median(found[name]):.1f} pictures/s")
    for what, seconds in (
        ("captioning", [one["recaptions"] for one in stages]),
        ("with making the index", found["pipeline"]),
    ):
        ratio = Ratio.of([a / b for a, b in zip(found[best], seconds, strict=True)])
        print(f"{what}: {ratio} of the model's rate")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shards", type=int, default=2, help="that are timed")
    parser.add_argument("--pictures", type=int, default=1024, help="of a shard")
    models.options(parser)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--part", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        print(json.dumps(pipeline(asked.folder, asked.part)))
        return
    print(machine())
    with models.chosen(asked) as model, tempfile.TemporaryDirectory() as folder:
        _compare(asked, model, Path(folder))


if __name__ == "__main__":
    main()
