"""Worlds on disk: what readers find, equal bytes each time, and nothing rewritten in vain."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recap_assets.evaluation import prompts as prompt_sets
from recap_assets.evaluation.lexicon import Lexicon
from recap_assets.experiment.config import World
from recap_assets.experiment.errors import UserError
from recap_assets.scenes import world as world_module
from recap_assets.scenes.contents import prompts
from recap_assets.scenes.scene import BACKGROUNDS, COLORS, SIZE, Scene
from recap_assets.scenes.split import is_held_out
from recap_assets.scenes.world import WorldFiles, is_current, world_files, write_world
from recap_assets_tests.scenes import reading

TINY = World(seed=1, shards=2, images_per_shard=3, human_images=2, prompts=4)
# If this changes, raise CODE_VERSION with it: worlds on users' disks are told apart by that.
TINY_DIGEST = "23893bb894d41fe1a4a0dd09aa07b1057b7ca0534cc1517c1b568f28cd9148bf"


def read(path: Path) -> list[dict[str, bytes]]:
    """The samples of a tar: members with the same name before the dot, by what follows it."""
    found: dict[str, dict[str, bytes]] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, extension = member.name.split(".")
            file = tar.extractfile(member)
            assert file is not None
            found.setdefault(key, {"__key__": key.encode()})[extension] = file.read()
    return list(found.values())


def shown(told: dict[str, object], file: bytes) -> None:
    """Check a picture against its truth by the colours in the middle of boxes and at the rim."""
    with Image.open(io.BytesIO(file)) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert pixels.shape == (SIZE, SIZE, 3)
    assert np.abs(pixels[0, 0] - BACKGROUNDS[told["background"]]).max() <= 5
    for thing in told["objects"]:
        color, shape = thing["label"].split()
        x0, y0, x1, y1 = thing["box"]
        row = y0 + 2 if shape == "ring" else (y0 + y1) // 2
        assert np.abs(pixels[row, (x0 + x1) // 2] - COLORS[color]).max() <= 8


def test_shards_are_webdatasets_of_truth(small: tuple[World, WorldFiles]) -> None:
    world, files = small
    assert [file.name for file in files.shards] == ["00000.tar", "00001.tar", "00002.tar"]
    keys = []
    for shard in files.shards:
        samples = read(shard)
        assert len(samples) == world.images_per_shard
        for sample in samples:
            told = json.loads(sample["json"])
            shown(told["scene"], sample["png"])
            key = sample["__key__"].decode()
            assert told["url"] == f"https://example.invalid/scenes/{key}.png"
            assert sample["txt"].decode("utf-8") == sample["txt"].decode("utf-8").strip()
            keys.append(key)
    assert keys == [f"{shard:05d}{place:04d}" for shard in range(3) for place in range(12)]


def test_people_who_do_not_exist_say_what_is_there(small: tuple[World, WorldFiles]) -> None:
    world, files = small
    samples = read(files.human)
    assert len(samples) == world.human_images
    for sample in samples:
        told = json.loads(sample["json"])
        assert told["simulated"] is True
        shown(told["scene"], sample["png"])
        labels = [thing["label"] for thing in told["scene"]["objects"]]
        for style in ("short", "long"):
            stated = reading.counts(told[style])
            assert stated == {label: labels.count(label) for label in labels}


def test_nothing_that_is_held_out_is_trained_on(small: tuple[World, WorldFiles]) -> None:
    world, files = small
    trained = [s for tar in (*files.shards, files.human) for s in read(tar)]
    seen = [scene_of(json.loads(sample["json"])["scene"]) for sample in trained]
    assert len(seen) == 3 * 12 + 6
    assert not any(is_held_out(scene) for scene in seen)
    asked = [scene_of(scene.truth()) for _, scene in prompts(world)]
    assert len(asked) == world.prompts
    assert all(is_held_out(scene) for scene in asked)


def test_prompts_are_read_with_their_pictures(small: tuple[World, WorldFiles]) -> None:
    world, files = small
    found = prompt_sets.read(files.prompts)
    assert len(found) == world.prompts
    for prompt, picture, (written, scene) in zip(
        found, files.pictures, prompts(world), strict=True
    ):
        assert prompt == written
        assert prompt.image is not None
        assert files.prompts.parent / prompt.image == picture
        shown(scene.truth(), picture.read_bytes())


def test_the_lexicon_is_read(small: tuple[World, WorldFiles]) -> None:
    _, files = small
    assert Lexicon.load(files.lexicon) == reading.LEXICON


def test_the_record_says_simulated(small: tuple[World, WorldFiles]) -> None:
    _, files = small
    told = json.loads(files.record.read_text(encoding="utf-8"))
    assert told.keys() == {"digest", "simulated"}
    assert told["simulated"] is True


def test_bytes_are_frozen(tmp_path: Path) -> None:
    files = write_world(TINY, tmp_path)
    total = hashlib.sha256()
    for file in sorted({*files.all()} - {files.record}):
        total.update(f"{file.relative_to(tmp_path).as_posix()}\n".encode())
        total.update(file.read_bytes())
    assert total.hexdigest() == TINY_DIGEST


def test_the_same_world_elsewhere_has_the_same_bytes(tmp_path: Path) -> None:
    one, two = write_world(TINY, tmp_path / "one"), write_world(TINY, tmp_path / "two")
    assert [f.read_bytes() for f in one.all()] == [f.read_bytes() for f in two.all()]
    everything = {p for p in (tmp_path / "one").rglob("*") if p.is_file()}
    assert everything == set(one.all())


def test_what_is_right_is_left_alone(tmp_path: Path) -> None:
    files = write_world(TINY, tmp_path)
    before = stamps(files)
    write_world(TINY, tmp_path)
    assert stamps(files) == before

    files.shards[1].unlink()
    files.pictures[2].write_bytes(b"cut")
    files.record.unlink()
    write_world(TINY, tmp_path)
    after = stamps(files)
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {files.shards[1], files.pictures[2], files.record}


def test_another_world_takes_the_place_of_this_one(tmp_path: Path) -> None:
    write_world(TINY, tmp_path)
    mine = tmp_path / "notes.tar"
    mine.write_bytes(b"not a shard")
    less = TINY.model_copy(update={"shards": 1, "prompts": 2})
    files = write_world(less, tmp_path)
    assert {p for p in tmp_path.rglob("*") if p.is_file()} == {*files.all(), mine}
    assert is_current(less, tmp_path)
    assert not is_current(TINY, tmp_path)


@pytest.mark.parametrize("name", ["seed", "alt_noise"])
def test_any_setting_makes_another_world(tmp_path: Path, name: str) -> None:
    write_world(TINY, tmp_path)
    other = TINY.model_copy(update={name: 1 if name == "alt_noise" else 2})
    assert not is_current(other, tmp_path)
    before = [file.read_bytes() for file in world_files(TINY, tmp_path).shards]
    files = write_world(other, tmp_path)
    assert is_current(other, tmp_path)
    assert [file.read_bytes() for file in files.shards] != before


def test_current_means_recorded_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_current(TINY, tmp_path / "nowhere")
    files = write_world(TINY, tmp_path)
    assert is_current(TINY, tmp_path)
    for file in files.all():
        data = file.read_bytes()
        file.unlink()
        assert not is_current(TINY, tmp_path), file
        file.write_bytes(data)
    assert is_current(TINY, tmp_path)
    for record in (b"", b"[]", b"{}", b"\xff"):
        files.record.write_bytes(record)
        assert not is_current(TINY, tmp_path)
    write_world(TINY, tmp_path)
    monkeypatch.setattr(world_module, "CODE_VERSION", "another")
    assert not is_current(TINY, tmp_path)


def test_a_crash_between_two_worlds_leaves_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_world(TINY, tmp_path)
    other = TINY.model_copy(update={"seed": 2})

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(world_module, "_put_prompts", crash)
        with pytest.raises(KeyboardInterrupt):
            write_world(other, tmp_path)
    assert not is_current(TINY, tmp_path)
    assert not is_current(other, tmp_path)
    assert not list(tmp_path.glob(".tmp*"))
    write_world(TINY, tmp_path)
    fresh = write_world(TINY, tmp_path / "fresh")
    assert [f.read_bytes() for f in world_files(TINY, tmp_path).all()] == [
        f.read_bytes() for f in fresh.all()
    ]


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"size": 32}, "world.size: scenes are drawn at 64 px, not 32"),
        ({"images_per_shard": 10_001}, "at most 10000"),
        ({"shards": 100_001}, "at most 100000"),
        ({"prompts": 4_001}, "at most 4000"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    tmp_path: Path, setting: dict[str, int], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        write_world(TINY.model_copy(update=setting), tmp_path / "world")
    assert not (tmp_path / "world").exists()


def stamps(files: WorldFiles) -> dict[Path, tuple[int, int]]:
    """What tells a file that was written again from one that was left."""
    return {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in files.all()}


def scene_of(truth: dict[str, object]) -> Scene:
    """What a caption can tell of a picture, taken from the truth beside it."""
    labels = [thing["label"] for thing in truth["objects"]]
    counts = tuple((label, labels.count(label)) for label in sorted(set(labels)))
    ways = {(a, b): way for a, way, b in truth["relations"]}
    ways |= {(b, a): reading.OPPOSITE[way] for (a, b), way in ways.items()}
    relation = ways.get(tuple(label for label, _ in counts))
    return Scene(truth["background"], (0, 0, 0), counts, relation, ())
