"""What a rerun costs over many shards: python -m benchmarks.incremental --shards 1000

Draws tars of small pictures, captions them by the command `recap run` with a captioner of random
weights, and runs again with nothing changed, with one picture in a hundred changed (all in a few
shards, then one in every shard) and with one more style. Says rows captioned, seconds, and each as
a share of the full run.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from benchmarks.models import PROMPTS
from recap_assets.images.writer import write_tar

SELECT = "images,recaptions"
COMMAND = "from recap_assets.cli import main; main()"


@dataclass(frozen=True)
class Cost:
    """One run of the command."""

    name: str
    rows: int
    seconds: float


class Store:
    """A data set of numbered pictures in a folder, and its project."""

    def __init__(self, folder: Path, shards: int, pictures: int, workers: int) -> None:
        self.folder, self.shards, self.pictures, self.workers = folder, shards, pictures, workers
        self.styles = dict(PROMPTS)
        self.numbers = [[shard * pictures + n for n in range(pictures)] for shard in range(shards)]

    def write(self, shards: Iterator[int] | range) -> None:
        """Write the tars of these shards."""
        for shard in shards:
            samples = [
                {"__key__": f"{place:06d}", "png": _picture(number), "txt": f"alt {number}"}
                for place, number in enumerate(self.numbers[shard])
            ]
            write_tar(self.folder / "tars" / f"{shard:05d}.tar", samples)

    def configure(self) -> None:
        """Write recap.yaml."""
        told = {
            "root": "store",
            "dataset": {"urls": "tars/*.tar"},
            "captioners": {"recap": {"model": "captioner", "batch": 100}},
            "styles": {
                style: {"prompt": prompt, "max_tokens": 4, "captioner": "recap"}
                for style, prompt in self.styles.items()
            },
        }
        (self.folder / "recap.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")

    def run(self, name: str) -> Cost:
        """`recap run`, timed from outside with everything that starting it takes.

        `recap plan` is asked before, and must announce the rows that the run captions.
        """
        planned = int(self._recap("plan")["rows_to_caption"])
        started = time.monotonic()
        told = self._recap("run", "--select", SELECT, "--workers", str(self.workers))
        seconds = time.monotonic() - started
        failed = [one for one in told["ran"] if one["error"]]
        assert not failed, failed[0]
        rows = sum(one["computed"] for one in told["ran"] if one["asset"] == "recaptions")
        assert rows == planned, f"{name}: {planned} rows planned, {rows} captioned"
        print(f"{name}: {rows:,} rows, {seconds:.1f} s", flush=True)
        return Cost(name, rows, seconds)

    def _recap(self, *words: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, *words, "--json"],
            cwd=self.folder,
            env={k: v for k, v in os.environ.items() if k not in ("RECAP_CONFIG", "DAGSTER_HOME")},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        return json.loads(done.stdout)


def measure(folder: Path, shards: int, pictures: int, workers: int, spread: bool) -> list[Cost]:
    """The costs of the runs, the full one first."""
    store = Store(folder, shards, pictures, workers)
    store.write(range(shards))
    _captioner(folder / "captioner")
    store.configure()
    costs = [store.run("everything")]
    costs.append(store.run("nothing changed"))

    few = max(1, shards // 100)
    for shard in range(few):
        store.numbers[shard] = [10_000_000 + n for n in store.numbers[shard]]
    store.write(range(few))
    costs.append(store.run("1 % changed, in 1 % of the shards"))

    if spread:
        for shard in range(shards):
            for place in range(0, pictures, 100):
                store.numbers[shard][place] += 20_000_000
        store.write(range(shards))
        costs.append(store.run("1 % changed, in every shard"))

    store.styles["third"] = "a third prompt:"
    store.configure()
    costs.append(store.run("one more style"))
    return costs


def _picture(number: int) -> bytes:
    colour = (number % 256, number // 256 % 256, number // 65536 % 256)
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(buffer, "PNG")
    return buffer.getvalue()


def _captioner(folder: Path) -> None:
    """A captioner of random weights in the format of any other."""
    from recap_assets.captioning import save, tiny

    texts = [*PROMPTS.values(), "a third prompt:", "one two three four five six seven eight"]
    model = tiny.build(texts, patch=16, hidden=16, mlp=16, heads=2, image_layers=1, text_layers=1)
    save.save(model, folder, {"title": "A captioner of random weights, to measure with"})


def main() -> None:
    """Measure, and print each run beside the full one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument("--pictures", type=int, default=100, help="in a shard")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--spread", action="store_true", help="change a picture of every shard too: all are read"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        costs = measure(Path(folder), asked.shards, asked.pictures, asked.workers, asked.spread)
    full = costs[0]
    print("\n| run | rows captioned | of the full run | seconds | of the full run |")
    print("|---|---:|---:|---:|---:|")
    for cost in costs:
        rows, time_ = cost.rows / full.rows, cost.seconds / full.seconds
        print(f"| {cost.name} | {cost.rows:,} | {rows:.2%} | {cost.seconds:.1f} | {time_:.2%} |")


if __name__ == "__main__":
    main()
