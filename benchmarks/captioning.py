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
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from benchmarks.rounds import Ratio, child, machine
from benchmarks.scene_tars import write

PROMPTS = {"short": "short caption:", "long": "long caption:"}
LIMIT = 48
PICTURES = 128  # a shard
BATCH = 64


class Project:
    """A folder with tars and a recap.yaml that captions them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, shards: int, model: str) -> None:
        """Draw the tars and write recap.yaml."""
        write(self.folder / "tars", shards, PICTURES)
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
    """The stages `images` and `recaptions` of the pipeline through `recap run`."""
    import shutil

    from recap_assets.defs import home
    from recap_assets.defs.execute import bring_up_to_date
    from recap_assets.experiment.project import Project as Opened
    from recap_assets.stages import recipes
    from recap_assets.stages.graph import select

    settings = yaml.safe_load((project.folder / "recap.yaml").read_text(encoding="utf-8"))
    settings["dataset"]["urls"] = f"tars/{{00000..{shards - 1:05d}}}.tar"
    settings["styles"] = {style: settings["styles"][style] for style in styles}
    place = project.folder / f"ours-{shards}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    (place / "tars").symlink_to(project.folder / "tars")
    (place / "recap.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    opened = Opened.open(place)
    with home.instance(opened) as instance:
        outcome = bring_up_to_date(opened, instance, select("images,recaptions"), workers=None)
    assert not outcome.failed, outcome.failed
    found: Captions = {}
    for style in styles:
        its = recipes.recipe(opened, style)
        frames = [recipes.store(opened).read(its, f"{shard:05d}") for shard in range(shards)]
        rows = [row for frame in frames if frame is not None for row in frame.iter_rows(named=True)]
        found[style] = {row["source_key"]: row["caption"] for row in rows}
    return found


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
            *("--folder", str(folder), "--model", str(model), "--side", side),
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
    parser.add_argument("--shards", type=int, default=8, help=f"of {PICTURES} pictures, timed")
    parser.add_argument("--model", type=Path, help="a BLIP folder; by default the one that ships")
    parser.add_argument("--styles", default="short+long")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    model = asked.model or Path(__file__).parents[1] / "data" / "base" / "captioner"
    if asked.side:
        _one(asked.folder, model, asked.side, asked.shards, asked.styles.split("+"))
        return
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        _compare(asked, model.absolute(), Path(folder), asked.styles)


if __name__ == "__main__":
    main()
