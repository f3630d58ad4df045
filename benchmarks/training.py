"""A training step beside diffusers' own example script, and what new captions cost before it.

    python -m benchmarks.training --peer examples/text_to_image/train_text_to_image.py

The peer is that script as it is, in a process of its own with the same model, pictures, batch and
number of threads; it needs `datasets` and torchvision (`--peer-python` names a launcher that has
them). A step's time is that of a longer run less that of a shorter one. Without `--peer` its rows
say "not run".
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from benchmarks.rounds import in_turns, machine, told
from recap_assets.scenes.captions import long
from recap_assets.scenes.draw import draw
from recap_assets.scenes.scene import sample

if TYPE_CHECKING:
    from recap_assets.diffusion.families.family import Family
    from recap_assets.diffusion.text_cache import TextCache

STEPS = (5, 25)


class Pictures:
    """Drawn scenes with their captions, as files for the peer and as pixels for us."""

    def __init__(self, folder: Path, number: int, side: int) -> None:
        import random

        self.folder = folder
        scenes = [sample(n) for n in range(number)]
        self.texts = [long(scene, random.Random(n)) for n, scene in enumerate(scenes)]
        self.pixels = np.stack([_sized(draw(scene), side) for scene in scenes])
        folder.mkdir(parents=True)
        lines = []
        for n, (pixels, text) in enumerate(zip(self.pixels, self.texts, strict=True)):
            Image.fromarray(pixels).save(folder / f"{n:05d}.png")
            lines.append(json.dumps({"file_name": f"{n:05d}.png", "text": text}) + "\n")
        (folder / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")


def _sized(pixels: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))


class Ours:
    """The project's loop over cached latents and embeddings; the text encoder stays, as there."""

    def __init__(self, model: Path, pictures: Pictures, place: Path, batch: int) -> None:
        from recap_assets.diffusion.load import load, to_device

        self.model, self.pictures, self.batch, self.place = model, pictures, batch, place
        family = to_device(load(model))
        self.latents = encoded(family, pictures.pixels)
        self.cache = cache_of(family, pictures.texts, place)

    def run(self, steps: int) -> float:
        """Seconds of so many steps, with loading the model."""
        from recap_assets.diffusion.feed import Examples
        from recap_assets.diffusion.load import load, to_device
        from recap_assets.diffusion.settings import TrainSettings
        from recap_assets.diffusion.texts import Cached
        from recap_assets.diffusion.train import train

        started = time.perf_counter()
        family = to_device(load(self.model))
        texts = self.pictures.texts
        examples = Examples(self.latents, lambda epoch: texts, Cached(family, self.cache))
        train(family, examples, TrainSettings(steps, self.batch, 1e-5, train=("unet",)))
        return time.perf_counter() - started


def encoded(family: Family, pixels: np.ndarray) -> Any:
    """Latents of all pictures, in batches of 64."""
    import torch

    return torch.cat(
        [family.encode_pictures(pixels[n : n + 64]) for n in range(0, len(pixels), 64)]
    )


def cache_of(family: Family, texts: list[str], place: Path) -> TextCache:
    """A cache that has all of the texts, and the prompt that stands for dropped ones."""
    from recap_assets.diffusion.text_cache import TextCache

    cache = TextCache(place)
    cache.fill([*texts, ""], lambda: family)
    return cache


def peer(asked: argparse.Namespace, pictures: Pictures, place: Path, steps: int) -> float:
    """Seconds of the script for so many steps."""
    command = [
        *(asked.peer_python.split() if asked.peer_python else [sys.executable]),
        *(str(asked.peer), "--pretrained_model_name_or_path", str(asked.model)),
        *("--train_data_dir", str(pictures.folder), "--resolution", str(asked.side)),
        *("--train_batch_size", str(asked.batch), "--max_train_steps", str(steps)),
        *("--center_crop", "--learning_rate", "1e-5", "--checkpointing_steps", "1000000"),
        *("--output_dir", str(place / "peer"), "--cache_dir", str(place / "cache")),
        *asked.peer_flags.split(),
    ]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the peer failed:\n{done.stderr[-3000:]}")
    return time.perf_counter() - started


def _difference(run: Callable[[int], float]) -> float:
    """Seconds of the steps that the longer run has more."""
    short = run(STEPS[0])
    return run(STEPS[1]) - short


def training(asked: argparse.Namespace, folder: Path) -> None:
    """Compare the steps, and say what the caches took before."""
    pictures = Pictures(folder / "pictures", asked.pictures, asked.side)
    started = time.perf_counter()
    ours = Ours(asked.model, pictures, folder / "texts", asked.batch)
    made = time.perf_counter() - started
    amount = (STEPS[1] - STEPS[0]) * asked.batch
    if asked.peer is None:
        print("training step beside diffusers' script: not run (--peer)")
        seconds = [_difference(ours.run) for _ in range(asked.rounds)]
        print(f"  ours {amount / float(np.median(seconds)):.1f} pictures/s")
        return
    sides = {
        "peer": lambda: _difference(lambda n: peer(asked, pictures, folder, n)),
        "ours": lambda: _difference(ours.run),
    }
    _difference(ours.run)  # warm
    seconds = in_turns(sides, asked.rounds)
    print(told("training", seconds["peer"], seconds["ours"], "pictures/s", amount))
    saved = (np.median(seconds["peer"]) - np.median(seconds["ours"])) / amount
    print(
        f"  caches of {asked.pictures} pictures took {made:.1f} s: paid back after "
        f"{made / saved:.0f} pictures"
    )


def retraining(name: str, family: Family, pictures: Pictures, rounds: int, folder: Path) -> None:
    """What must be computed before training on new captions can begin, text encoder frozen.

    A text encoder that is trained encodes nothing beforehand: then nothing is computed at all.
    """
    number = iter(range(10**6))

    def everything() -> float:
        started = time.perf_counter()
        encoded(family, pictures.pixels)
        cache_of(family, pictures.texts, folder / f"{name}-every-{next(number)}")
        return time.perf_counter() - started

    def captions() -> float:
        started = time.perf_counter()
        cache_of(family, pictures.texts, folder / f"{name}-new-{next(number)}")
        return time.perf_counter() - started

    seconds = in_turns({"all": everything, "new": captions}, rounds)
    amount = len(pictures.texts)
    print(told(f"ready to retrain, {name}", seconds["all"], seconds["new"], "pictures/s", amount))


def of_sd15_size(model: Path) -> Family:
    """Autoencoder and text encoder as large as those of Stable Diffusion 1.5, of random weights."""
    import torch
    from diffusers import AutoencoderKL
    from transformers import CLIPTextConfig, CLIPTextModel

    from recap_assets.diffusion.load import load, to_device

    torch.manual_seed(0)
    family = load(model)
    sizes = (128, 256, 512, 512)
    family.pipeline.register_modules(
        vae=AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * len(sizes),
            up_block_types=("UpDecoderBlock2D",) * len(sizes),
            block_out_channels=sizes,
            layers_per_block=2,
            latent_channels=4,
        ).eval(),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(family.pipeline.tokenizer),
                hidden_size=768,
                intermediate_size=3072,
                num_hidden_layers=12,
                num_attention_heads=12,
                max_position_embeddings=77,
            )
        ).eval(),
    )
    return to_device(family)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="by default the one that ships")
    parser.add_argument("--side", type=int, default=64, help="pixels")
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", type=Path, help="train_text_to_image.py of diffusers")
    parser.add_argument("--peer-python", help="the command that runs it")
    parser.add_argument("--peer-flags", default="", help="more arguments for it")
    asked = parser.parse_args()
    asked.model = (asked.model or Path(__file__).parents[1] / "data" / "base" / "t2i").absolute()
    print(machine())
    from recap_assets.diffusion.load import load, to_device

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        training(asked, folder)
        small = Pictures(folder / "small", asked.pictures, asked.side)
        retraining("this model", to_device(load(asked.model)), small, asked.rounds, folder)
        large = Pictures(folder / "large", 8, 256)
        sized = of_sd15_size(asked.model)
        retraining("SD 1.5 sizes at 256 pixels", sized, large, asked.rounds, folder)


if __name__ == "__main__":
    main()
