"""Projects of a few pictures whose captions a test states, indexed and stored, to be exported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from recap_assets.captions import rows as caption_rows
from recap_assets.captions.export.selection import Counts
from recap_assets.captions.generated import Generated
from recap_assets.captions.schema import CAPTIONS
from recap_assets.experiment.project import Project
from recap_assets.stages import export, images, recipes
from recap_assets_tests.captions.making import make_stamp
from recap_assets_tests.images.tar_making import encoded, member, noise, write

BAD = b"no picture at all"


@dataclass(frozen=True)
class Picture:
    """One sample of a tar. A style without a text in `said` has failed, with status `refused`."""

    key: str
    data: bytes
    alt: str = "alt"
    said: Mapping[str, str] = field(default_factory=dict)
    ext: str = "png"
    url: str | None = None


def picture(key: str, seed: int, alt: str = "alt", **said: str) -> Picture:
    """A picture of noise that differs from those of other seeds."""
    return Picture(key, encoded(noise(seed)), alt, said)


def project(
    folder: Path,
    shards: Mapping[str, Sequence[Picture]],
    held_out: Sequence[bytes] = (),
    **settings: Any,
) -> Project:
    """A project in which the shards are indexed and captioned as `shards` says."""
    for shard, pictures in shards.items():
        _tar(folder / "shards" / f"{shard}.tar", pictures)
    prompts = [_prompt(folder, number, data) for number, data in enumerate(held_out)]
    (folder / "prompts.jsonl").write_text("".join(prompts), encoding="utf-8")
    told = {
        "extends": "photo",
        "root": "store",
        "dataset": {"urls": "shards/*.tar", "url": "json.url"},
        "evaluation": {"prompts": "prompts.jsonl"} if prompts else {},
        "gates": {"decode_error_rate": 1.0},
        **settings,
    }
    (folder / "recap.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
    made = Project.open(folder)
    for shard, pictures in shards.items():
        images.build(made, shard)
        caption(made, shard, pictures)
    return made


def caption(made: Project, shard: str, pictures: Sequence[Picture]) -> None:
    """Store what the pictures of a shard say of themselves, word for word."""
    index = images.usable(made, shard)
    by_key = {one.key: one for one in pictures}
    alt = caption_rows.build_alt(index, make_stamp("run"))
    recipes.store(made).publish(recipes.recipe(made, "alt"), shard, alt)
    for style in made.config.styles:
        its = recipes.recipe(made, style)
        texts = [by_key[key].said.get(style) for key in index["key"]]
        answers = [Generated(text or "I cannot describe that.") for text in texts]
        rows = caption_rows.build(index, answers, its, make_stamp("run"))
        verbatim = pl.Series("caption", [text or "I cannot." for text in texts], pl.String)
        status = pl.Series("status", ["ok" if text else "refused" for text in texts], pl.String)
        rows = rows.with_columns(verbatim, status).select(CAPTIONS.names())
        recipes.store(made).publish(its, shard, rows)


def exported(made: Project, to: Path, form: str, **asked: Any) -> Counts:
    """What `recap export` does."""
    return export.export(made, export.Request(format=form, to=to, **asked))


def _tar(path: Path, pictures: Sequence[Picture]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    members = []
    for one in pictures:
        members.append(member(f"{one.key}.{one.ext}", one.data))
        members.append(member(f"{one.key}.txt", one.alt.encode()))
        if one.url:
            members.append(member(f"{one.key}.json", json.dumps({"url": one.url}).encode()))
    write(path, members)


def _prompt(folder: Path, number: int, data: bytes) -> str:
    name = f"held-{number}.png"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    told = {"id": f"p{number}", "prompt": "a car", "style": "short", "image": name}
    return json.dumps(told) + "\n"
