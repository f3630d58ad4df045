"""Writes a drawn world to disk: shards, the human set, prompts with their pictures, the lexicon."""

from __future__ import annotations

import filecmp
import json
import os
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from recap_assets.experiment import atomic, fingerprint
from recap_assets.experiment.config import World
from recap_assets.experiment.errors import UserError
from recap_assets.images.writer import write_tar
from recap_assets.scenes.contents import Sample, human_samples, prompts, shard_samples
from recap_assets.scenes.draw import draw, png
from recap_assets.scenes.scene import SIZE
from recap_assets.scenes.words import lexicon

# To be raised when the same settings give other bytes.
CODE_VERSION = "1"

_MOST = {
    "shards": (100_000, "shards have five digits"),
    "images_per_shard": (10_000, "pictures of a shard have four digits"),
    "prompts": (4_000, "there are not many more scenes that no caption has told"),
}


@dataclass(frozen=True)
class WorldFiles:
    """Where the files of a world lie. `record` says which world it is and is written last."""

    shards: tuple[Path, ...]
    human: Path
    prompts: Path
    pictures: tuple[Path, ...]
    lexicon: Path
    record: Path

    def all(self) -> tuple[Path, ...]:
        """Every file of the world."""
        rest = (self.human, self.prompts, self.lexicon, self.record)
        return (*self.shards, *self.pictures, *rest)


def write_world(world: World, folder: Path) -> WorldFiles:
    """Write the world below `folder` unless it is there, and leave alone what is already right.

    Equal settings give equal bytes on every machine. Shards and prompt pictures of a larger world
    that was here before go away.

    Raises:
        UserError: if the settings ask for what cannot be drawn, or the disk refuses.
    """
    _check(world)
    files = world_files(world, folder)
    if is_current(world, folder):
        return files
    if _recorded(files.record) != _digest(world):
        files.record.unlink(missing_ok=True)
    _remove_others(files, folder)
    for number, shard in enumerate(files.shards):
        _put_tar(shard, shard_samples(world, number))
    _put_tar(files.human, human_samples(world))
    _put_prompts(world, files)
    _put(files.lexicon, _json_bytes(lexicon()))
    _put(files.record, _json_bytes({"digest": _digest(world), "simulated": True}))
    return files


def is_current(world: World, folder: Path) -> bool:
    """Whether `folder` holds this world, whole, as this code draws it; contents are not read."""
    files = world_files(world, folder)
    return _recorded(files.record) == _digest(world) and all(f.is_file() for f in files.all())


def world_files(world: World, folder: Path) -> WorldFiles:
    """Where the files of this world lie below `folder`, written or not."""
    return WorldFiles(
        shards=tuple(folder / f"{number:05d}.tar" for number in range(world.shards)),
        human=folder / "human.tar",
        prompts=folder / "prompts.jsonl",
        pictures=tuple(folder / "prompts" / f"p{n + 1:04d}.png" for n in range(world.prompts)),
        lexicon=folder / "lexicon.json",
        record=folder / "world.json",
    )


def _check(world: World) -> None:
    if world.size != SIZE:
        raise UserError(
            f"world.size: scenes are drawn at {SIZE} px, not {world.size}; write {SIZE}"
        )
    for name, (most, reason) in _MOST.items():
        if (asked := getattr(world, name)) > most:
            raise UserError(f"world.{name}: {asked} is too many, since {reason}; at most {most}")


def _digest(world: World) -> str:
    return fingerprint.digest({"code": CODE_VERSION, "world": world})


def _recorded(record: Path) -> object:
    """The digest in a world.json, None if there is none that can be read."""
    try:
        told = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told.get("digest") if isinstance(told, dict) else None


def _remove_others(files: WorldFiles, folder: Path) -> None:
    """Remove shards and prompt pictures that this world lacks, for patterns would find them."""
    found = {*folder.glob("[0-9]" * 5 + ".tar"), *folder.glob("prompts/p[0-9]*.png")}
    for path in found.difference(files.all()):
        path.unlink(missing_ok=True)


def _put_prompts(world: World, files: WorldFiles) -> None:
    lines = []
    for picture, (prompt, scene) in zip(files.pictures, prompts(world), strict=True):
        lines.append(json.dumps(asdict(prompt), ensure_ascii=False) + "\n")
        _put(picture, png(draw(scene)))
    _put(files.prompts, "".join(lines).encode("utf-8"))


def _put_tar(path: Path, samples: Iterable[Sample]) -> None:
    """Write a tar, or leave the one that has the same bytes."""
    draft = path.with_name(f".tmp-{uuid.uuid4().hex}.tar")
    try:
        write_tar(draft, samples)
        if not (path.is_file() and filecmp.cmp(draft, path, shallow=False)):
            os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _put(path: Path, data: bytes) -> None:
    """Write a file, or leave the one that has the same bytes."""
    if not (path.is_file() and path.read_bytes() == data):
        atomic.write_bytes(path, data)


def _json_bytes(obj: object) -> bytes:
    return (json.dumps(obj, indent=2) + "\n").encode("ascii")
