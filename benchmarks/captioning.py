"""Captioning from tars to Parquet, beside loops over transformers: python -m benchmarks.captioning

The peers are a loop over single pictures and a tuned one (a DataLoader whose worker decodes and
processes, batches of 64, `generate` under inference mode), each in a pass for every style. A side's
rate is the time of its longer run less that of its shorter one, so that starting it costs nothing.
All captions must be equal, word for word, or the row is void.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from benchmarks import models
from benchmarks.models import PROMPTS
from benchmarks.rounds import Ratio, child, machine
from benchmarks.scene_tars import write

LIMIT = 48
PICTURES = 512  # a shard
BATCH = 64


class Project:
    """A folder with tars and a recap.yaml that captions them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, shards: int, model: str, pictures: int = PICTURES) -> None:
        """Draw the tars and write recap.yaml."""
        write(self.folder / "tars", shards, pictures)
        settings = {
            "root": "store",
            "dataset": {"urls": "tars/*.tar"},
            "captioners": {"recap": {"model": model, "batch": BATCH}},
            "styles": {
                style: {"prompt": prompt, "max_tokens": LIMIT, "captioner": "recap"}
                for style, prompt in PROMPTS.items()
            },
        }
        (self.folder / "recap.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    def part(self, shards: int, styles: list[str]) -> Path:
        """The folder of a project of its own, with nothing made yet, over the first shards."""
        settings = yaml.safe_load((self.folder / "recap.yaml").read_text(encoding="utf-8"))
        settings["dataset"]["urls"] = f"tars/{{00000..{shards - 1:05d}}}.tar"
        settings["styles"] = {style: settings["styles"][style] for style in styles}
        place = self.folder / f"ours-{shards}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        (place / "tars").symlink_to(self.folder / "tars")
        (place / "recap.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        return place

    def samples(self, shards: int) -> Iterator[tuple[str, bytes]]:
        """Key and JPEG of every picture of the first shards, as webdataset reads them."""
        import webdataset as wds

        tars = [str(path) for path in sorted((self.folder / "tars").glob("*.tar"))[:shards]]
        for sample in wds.WebDataset(tars, shardshuffle=False, empty_check=False):
            yield sample["__key__"], sample["jpg"]


Captions = dict[str, dict[str, str]]


def single(project: Project, model: Path, shards: int, styles: list[str]) -> Captions:
    """Picture by picture, style by style."""
    blip, processor = peer(model)
    found: Captions = {style: {} for style in styles}
    for style in styles:
        for key, data in project.samples(shards):
            inputs = _process(processor, [data], PROMPTS[style])
            found[style][key] = generate(blip, processor, inputs, PROMPTS[style])[0]
    return found


def tuned(project: Project, model: Path, shards: int, styles: list[str]) -> Captions:
    """In batches that a worker of a DataLoader prepares."""
    import torch
    from torch.utils.data import DataLoader, IterableDataset

    class Samples(IterableDataset):
        def __iter__(self) -> Iterator[tuple[str, bytes]]:
            return project.samples(shards)

    blip, processor = peer(model)
    found: Captions = {style: {} for style in styles}
    for style in styles:

        def collate(part: list[tuple[str, bytes]], prompt: str = PROMPTS[style]) -> Any:
            torch.set_num_threads(1)
            return [key for key, _ in part], _process(processor, [d for _, d in part], prompt)

        loader = DataLoader(
            Samples(), batch_size=BATCH, num_workers=1, prefetch_factor=4, collate_fn=collate
        )
        for keys, inputs in loader:
            texts = generate(blip, processor, inputs, PROMPTS[style])
            found[style] |= dict(zip(keys, texts, strict=True))
    return found


def ours(project: Project, model: Path, shards: int, styles: list[str]) -> Captions:
    """The stages `images` and `recaptions` of the pipeline as `recap run` does them."""
    from recap_assets.experiment.project import Project as Opened
    from recap_assets.stages import recipes

    opened = Opened.open(project.part(shards, styles))
    run(opened, "images,recaptions")
    found: Captions = {}
    for style in styles:
        its = recipes.recipe(opened, style)
        frames = [recipes.store(opened).read(its, f"{shard:05d}") for shard in range(shards)]
        rows = [row for frame in frames if frame is not None for row in frame.iter_rows(named=True)]
        found[style] = {row["source_key"]: row["caption"] for row in rows}
    return found


def run(project: Any, stages: str) -> float:
    """Bring stages up to date, by as many workers as `recap run` takes; the seconds it took."""
    from recap_assets.defs import home
    from recap_assets.defs.execute import bring_up_to_date
    from recap_assets.stages.graph import select

    started = time.perf_counter()
    with home.instance(project) as instance:
        outcome = bring_up_to_date(project, instance, select(stages), workers=None)
    assert not outcome.failed, outcome.failed
    return time.perf_counter() - started


SIDES: dict[str, Callable[[Project, Path, int, list[str]], Captions]] = {
    "single": single,
    "tuned": tuned,
    "ours": ours,
}


def peer(model: Path) -> tuple[Any, Any]:
    import torch
    from transformers import AutoImageProcessor, AutoTokenizer, BlipForConditionalGeneration

    blip: Any = BlipForConditionalGeneration
    weights = blip.from_pretrained(model, dtype=torch.float32).eval()
    images: Any = AutoImageProcessor
    processor = (
        images.from_pretrained(model, backend="pil"),
        AutoTokenizer.from_pretrained(model),
    )
    return weights.to("cuda" if torch.cuda.is_available() else "cpu"), processor


def _process(processor: tuple[Any, Any], pictures: list[bytes], prompt: str) -> dict[str, Any]:
    images, tokenizer = processor
    decoded = [Image.open(io.BytesIO(data)).convert("RGB") for data in pictures]
    pixels = images(images=decoded, return_tensors="pt")["pixel_values"]
    return {"pixel_values": pixels, **tokenizer([prompt] * len(decoded), return_tensors="pt")}


def generate(
    blip: Any, processor: tuple[Any, Any], inputs: dict[str, Any], prompt: str
) -> list[str]:
    import torch

    there = {name: value.to(blip.device) for name, value in inputs.items()}
    there.pop("token_type_ids", None)
    with torch.inference_mode():
        made = blip.generate(**there, max_new_tokens=LIMIT, num_beams=1, do_sample=False)
    tail = made[:, there["input_ids"].shape[1] - 1 :]
    return [text.strip() for text in processor[1].batch_decode(tail, skip_special_tokens=True)]


def _one(folder: Path, model: Path, side: str, shards: int, styles: list[str]) -> None:
    started = time.perf_counter()
    captions = SIDES[side](Project(folder), model, shards, styles)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "captions": captions}))


def _seconds(folder: Path, model: Path, side: str, sizes: tuple[int, int], styles: str) -> Any:
    """Seconds that a side takes for the pictures that its longer run has more, and its captions."""
    runs = [
        child(
            "benchmarks.captioning",
            *("--folder", str(folder), "--model", str(model), "--run", side),
            *("--shards", str(shards), "--styles", styles),
        )
        for shards in sizes
    ]
    return runs[1]["seconds"] - runs[0]["seconds"], runs[1]["captions"]


def _compare(asked: argparse.Namespace, model: Path, folder: Path, styles: str) -> None:
    sizes = {"single": (1, 2), "tuned": (2, 2 + asked.shards), "ours": (2, 2 + asked.shards)}
    Project(folder).write(2 + asked.shards, str(model))
    rates: dict[str, list[float]] = {side: [] for side in SIDES}
    captions: dict[str, Captions] = {}
    for number in range(asked.rounds):
        for side, size in sizes.items():
            if side == "single" and number:
                continue
            seconds, captions[side] = _seconds(folder, model, side, size, styles)
            rates[side].append((size[1] - size[0]) * PICTURES / seconds)
    equal = captions["tuned"] == captions["ours"]
    print(f"styles {styles}: captions {'equal' if equal else 'DIFFER, the row is void'}")
    for side in ("single", "tuned"):
        pairs = zip(rates[side], rates["ours"], strict=False)
        ratio = Ratio.of([ours / theirs for theirs, ours in pairs])
        middle = np.median(rates[side]), np.median(rates["ours"])
        print(f"  ours over {side}: {ratio}; {middle[0]:.1f} and {middle[1]:.1f} pictures/s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shards", type=int, default=4, help=f"of {PICTURES} pictures, timed")
    models.options(parser)
    parser.add_argument("--styles", default="short+long")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--run", choices=SIDES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        _one(asked.folder, asked.model, asked.run, asked.shards, asked.styles.split("+"))
        return
    print(machine())
    with models.chosen(asked) as model, tempfile.TemporaryDirectory() as folder:
        _compare(asked, model, Path(folder), asked.styles)


if __name__ == "__main__":
    main()
