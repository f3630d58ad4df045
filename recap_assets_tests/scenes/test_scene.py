"""Sampled scenes: in the picture, apart from each other, placed as their relation says."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from recap_assets.scenes.scene import BACKGROUNDS, LABELS, SIZE, Scene, sample
from recap_assets_tests.scenes.reading import OPPOSITE, holds

SEEDS = st.integers(min_value=0, max_value=2**63 - 1)
MANY = [sample(seed) for seed in range(3000)]


def test_a_few_scenes_stay_what_they_are() -> None:
    assert sample(0).truth() == {
        "background": "brown",
        "objects": [
            {"label": "purple triangle", "box": [6, 35, 30, 59]},
            {"label": "purple triangle", "box": [9, 10, 29, 30]},
        ],
        "relations": [],
    }
    assert [sample(seed).signature for seed in range(1, 5)] == [
        "2 red cross|black",
        "1 green ring,1 red ring|below|white",
        "1 green square,3 pink cross|right|black",
        "1 yellow square,3 purple triangle|below|black",
    ]


@settings(max_examples=300)
@given(SEEDS)
def test_every_seed_gives_a_sound_scene(seed: int) -> None:
    scene = sample(seed)
    assert scene == sample(seed)
    assert scene.background in BACKGROUNDS
    assert 1 <= len(scene.things) <= 4
    assert Counter(thing.label for thing in scene.things) == dict(scene.counts)
    assert len(scene.counts) == (1 if scene.relation is None else 2)
    boxes = [thing.box for thing in scene.things]
    assert all(0 <= x0 < x1 < SIZE and 0 <= y0 < y1 < SIZE for x0, y0, x1, y1 in boxes)
    assert not any(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(holds(relation, scene) for relation in scene.relations)


def test_truth_says_what_is_there() -> None:
    for scene in MANY[:200]:
        truth = scene.truth()
        assert truth["objects"] == [{"label": t.label, "box": list(t.box)} for t in scene.things]
        assert truth["relations"] == [list(relation) for relation in scene.relations]
        assert truth["background"] == scene.background


def test_everything_happens() -> None:
    assert {label for scene in MANY for label, _ in scene.counts} == set(LABELS)
    assert {scene.background for scene in MANY} == set(BACKGROUNDS)
    assert {scene.relation for scene in MANY} == {None, *OPPOSITE}
    alone = Counter(scene.counts[0][1] for scene in MANY if scene.relation is None)
    assert set(alone) == {1, 2, 3, 4}
    assert 0.35 < alone.total() / len(MANY) < 0.45


def test_the_order_of_naming_leaves_the_signature_alone() -> None:
    for scene in MANY:
        if scene.relation is not None:
            assert turned(scene).signature == scene.signature


def test_a_signature_is_everything_a_caption_can_tell_and_nothing_else() -> None:
    by_signature = defaultdict(set)
    by_content = defaultdict(set)
    for scene in MANY:
        by_signature[scene.signature].add(content(scene))
        by_content[content(scene)].add(scene.signature)
    assert len(by_signature) < len(MANY)
    assert all(len(contents) == 1 for contents in by_signature.values())
    assert all(len(signatures) == 1 for signatures in by_content.values())


def turned(scene: Scene) -> Scene:
    """The same picture, told from its second kind."""
    assert scene.relation is not None
    order, opposite = scene.counts[::-1], OPPOSITE[scene.relation]
    return Scene(scene.background, scene.ground, order, opposite, scene.things[::-1])


def content(scene: Scene) -> tuple[object, ...]:
    """Background, counts and both directions of the relation, without any order."""
    both = {(a, d, b) for a, d, b in scene.relations}
    both |= {(b, OPPOSITE[d], a) for a, d, b in scene.relations}
    return scene.background, frozenset(scene.counts), frozenset(both)


def overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    """Whether two boxes share a pixel."""
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
