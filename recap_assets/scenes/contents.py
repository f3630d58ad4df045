"""What a world holds: the samples of its shards and of its human set, and its prompts.

Each stream has seeds of its own, so more shards, pictures or prompts leave the others as they are.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count, cycle, islice

from recap_assets.evaluation.prompts import Prompt
from recap_assets.experiment.config import World
from recap_assets.experiment.fingerprint import seed as seed_of
from recap_assets.scenes.alt_text import alt_text
from recap_assets.scenes.captions import long, short
from recap_assets.scenes.draw import draw, png
from recap_assets.scenes.scene import LABELS, Scene, sample
from recap_assets.scenes.split import is_held_out

Sample = dict[str, object]


def shard_samples(world: World, shard: int) -> Iterator[Sample]:
    """The webdataset samples of one shard: picture, alt-text, and a JSON with truth and address.

    A key is five digits of the shard and four of the picture's place in it.
    """
    scenes = _scenes(world, f"shard-{shard}", held_out=False)
    for place, scene in enumerate(islice(scenes, world.images_per_shard)):
        key = f"{shard:05d}{place:04d}"
        yield {
            "__key__": key,
            "png": png(draw(scene)),
            "txt": alt_text(scene, _rng(world, key, "alt"), world.alt_noise),
            "json": {"scene": scene.truth(), "url": f"https://example.invalid/scenes/{key}.png"},
        }


def human_samples(world: World) -> Iterator[Sample]:
    """The webdataset samples of the human set: picture, truth, a short and a long caption.

    The captions are simulated.
    """
    scenes = _scenes(world, "human", held_out=False)
    for place, scene in enumerate(islice(scenes, world.human_images)):
        key = f"human{place:04d}"
        captions = {
            "short": short(scene, _rng(world, key, "short")),
            "long": long(scene, _rng(world, key, "long")),
        }
        yield {
            "__key__": key,
            "png": png(draw(scene)),
            "json": {"scene": scene.truth(), "simulated": True, **captions},
        }


def prompts(world: World) -> Iterator[tuple[Prompt, Scene]]:
    """The prompts and the scenes they describe, none of which any caption of the world could tell.

    No two scenes have the same signature; half of the prompts are short and state no relation.
    """
    for place, scene in enumerate(islice(_spread(world), world.prompts)):
        # Shifted with every round of the labels, which would else always meet the same style.
        style = ("short", "long")[(place + place // len(LABELS)) % 2]
        key = f"p{place + 1:04d}"
        rng = _rng(world, key, style)
        text = short(scene, rng) if style == "short" else long(scene, rng)
        relations = tuple(scene.relations) if style == "long" else ()
        picture = f"prompts/{key}.png"
        yield Prompt(key, text, style, dict(scene.counts), relations, picture), scene


def _spread(world: World) -> Iterator[Scene]:
    """Distinct held-out scenes; each shows at least the label whose turn it is."""
    fresh = _distinct(_scenes(world, "prompts", held_out=True))
    waiting: list[Scene] = []
    for label in cycle(LABELS):
        while not (showing := [s for s in waiting if label in dict(s.counts)]):
            waiting.append(next(fresh))
        waiting.remove(showing[0])
        yield showing[0]


def _distinct(scenes: Iterator[Scene]) -> Iterator[Scene]:
    seen: set[str] = set()
    for scene in scenes:
        if scene.signature not in seen:
            seen.add(scene.signature)
            yield scene


def _scenes(world: World, purpose: str, *, held_out: bool) -> Iterator[Scene]:
    """Endless scenes of one purpose, all held out for evaluation or none."""
    for place in count():
        scene = sample(seed_of("world", world.seed, purpose, place))
        if is_held_out(scene) == held_out:
            yield scene


def _rng(world: World, key: str, purpose: str) -> random.Random:
    return random.Random(seed_of("world", world.seed, key, purpose))
