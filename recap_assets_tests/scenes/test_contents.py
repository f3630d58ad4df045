"""The streams of a world: who may hold which scenes, and what more of something leaves alone."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from recap_assets.evaluation.prompts import Prompt
from recap_assets.experiment.config import World
from recap_assets.scenes.contents import human_samples, prompts, shard_samples
from recap_assets.scenes.draw import draw, png
from recap_assets.scenes.pretrain.pictures import scenes as pretraining_scenes
from recap_assets.scenes.scene import LABELS, Scene
from recap_assets.scenes.split import is_held_out
from recap_assets_tests.scenes import reading

WORLD = World(seed=3, shards=2, images_per_shard=20, human_images=20)


@pytest.fixture(scope="module")
def prompt_set() -> list[tuple[Prompt, Scene]]:
    return list(prompts(WORLD))


def pictures(world: World) -> list[object]:
    """Every picture that the world trains on, as PNG bytes."""
    shards = [sample for n in range(world.shards) for sample in shard_samples(world, n)]
    return [sample["png"] for sample in [*shards, *human_samples(world)]]


def test_no_picture_comes_twice_in_a_world_or_in_two() -> None:
    both = pictures(WORLD) + pictures(WORLD.model_copy(update={"seed": 4}))
    assert len(both) == 120
    assert len(set(both)) == len(both)


def test_no_picture_is_one_of_pretraining() -> None:
    pool = {png(draw(scene)) for scene in islice(pretraining_scenes("pool"), 500)}
    assert not pool & set(pictures(WORLD))


def test_more_leaves_what_was_there() -> None:
    more = WORLD.model_copy(
        update={"shards": 9, "images_per_shard": 30, "human_images": 30, "prompts": 300}
    )
    for number in range(WORLD.shards):
        longer = list(shard_samples(more, number))
        assert longer[:20] == list(shard_samples(WORLD, number))
    assert list(human_samples(more))[:20] == list(human_samples(WORLD))


def test_the_dose_changes_alt_text_only() -> None:
    clean = list(shard_samples(WORLD.model_copy(update={"alt_noise": 0.0}), 1))
    noisy = list(shard_samples(WORLD.model_copy(update={"alt_noise": 1.0}), 1))
    assert all(a["txt"] != b["txt"] for a, b in zip(clean, noisy, strict=True))
    assert [{**s, "txt": ""} for s in clean] == [{**s, "txt": ""} for s in noisy]


def test_prompts_are_of_distinct_scenes_that_are_held_out(
    prompt_set: list[tuple[Prompt, Scene]],
) -> None:
    assert len(prompt_set) == 256
    assert all(is_held_out(scene) for _, scene in prompt_set)
    assert len({scene.signature for _, scene in prompt_set}) == 256
    assert len({prompt.id for prompt, _ in prompt_set}) == 256


def test_prompts_say_what_their_fields_say(prompt_set: list[tuple[Prompt, Scene]]) -> None:
    for prompt, scene in prompt_set:
        assert prompt.objects == dict(scene.counts) == reading.counts(prompt.prompt)
        stated = reading.relation(prompt.prompt)
        if stated is None:
            assert prompt.relations == ()
        else:
            first, direction, second = stated
            turned = (second, reading.OPPOSITE[direction], first)
            assert prompt.relations in [(stated,), (turned,)]
            assert reading.holds(prompt.relations[0], scene)


def test_half_of_the_prompts_are_long(prompt_set: list[tuple[Prompt, Scene]]) -> None:
    styles = Counter(prompt.style for prompt, _ in prompt_set)
    assert styles == {"short": 128, "long": 128}
    for prompt, scene in prompt_set:
        assert (reading.background(prompt.prompt) is None) == (prompt.style == "short")
        assert bool(prompt.relations) == (prompt.style == "long" and scene.relation is not None)


@pytest.mark.parametrize("seed", range(3))
def test_every_label_is_asked_for_in_both_styles(seed: int) -> None:
    asked = Counter(
        (label, prompt.style)
        for prompt, _ in prompts(WORLD.model_copy(update={"seed": seed}))
        for label in prompt.objects
    )
    assert min(asked[label, style] for label in LABELS for style in ("short", "long")) >= 3
    assert min(asked[label, "short"] + asked[label, "long"] for label in LABELS) >= 7
