"""What is held out: about an eighth of all signatures, whatever their pixels and order."""

from __future__ import annotations

from recap_assets.scenes.scene import sample
from recap_assets.scenes.split import is_held_out
from recap_assets_tests.scenes.test_scene import turned


def test_an_eighth_of_the_signatures() -> None:
    verdicts = {}
    for seed in range(6000):
        scene = sample(seed)
        verdict = verdicts.setdefault(scene.signature, is_held_out(scene))
        assert verdict == is_held_out(scene)
    assert 0.11 < sum(verdicts.values()) / len(verdicts) < 0.14


def test_the_order_of_naming_does_not_matter() -> None:
    scenes = [scene for scene in map(sample, range(500)) if scene.relation]
    assert [is_held_out(s) for s in scenes] == [is_held_out(turned(s)) for s in scenes]


def test_the_split_stays_what_models_were_trained_with() -> None:
    held_out = [seed for seed in range(60) if is_held_out(sample(seed))]
    assert held_out == [11, 20, 21, 24, 27, 30, 33, 34, 37, 43, 46, 49, 50, 56]
