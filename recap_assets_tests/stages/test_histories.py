"""Random histories of a data set: what is captioned, and what the plan said, is what changed."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from recap_assets.experiment.project import Project
from recap_assets.images.writer import write_tar
from recap_assets.stages import captioner, images, manifest, recaptions, recipes, status
from recap_assets.stages.memory import remembering
from recap_assets.stages.plan import Forecast, forecast

pytestmark = pytest.mark.slow

PROMPTS = ("short caption:", "long caption:")
STYLES = ("a", "b")
#: Shard -> key -> number of a picture. Number 0 is no picture at all.
Data = dict[str, dict[str, int]]


def picture(number: int) -> bytes:
    if number == 0:
        return b"no picture"
    buffer = io.BytesIO()
    colour = (number % 256, 91 * number % 256, number // 256)
    Image.new("RGB", (16, 16), colour).save(buffer, "PNG")
    return buffer.getvalue()


class World:
    """A data set on disk with its project, edited and brought up to date step by step."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.model, self.batch = folder, model, 2
        self.data: Data = {"x": {"k1": 1, "k2": 2}, "y": {"k1": 3}}
        self.prompts = dict(zip(STYLES, PROMPTS, strict=True))
        #: (style, prompt, picture) that were captioned at any time.
        self.known: set[tuple[str, str, int]] = set()
        (folder / "tars").mkdir()

    def save(self) -> Project:
        for tar in (self.folder / "tars").glob("*.tar"):
            tar.unlink()
        for shard, samples in self.data.items():
            found = [
                {"__key__": key, "png": picture(number), "txt": f"alt {key}"}
                for key, number in samples.items()
            ]
            write_tar(self.folder / "tars" / f"{shard}.tar", found)
        told: dict[str, Any] = {
            "root": "store",
            "dataset": {"urls": "tars/*.tar", "caption": "txt"},
            "captioners": {"recap": {"model": str(self.model), "batch": self.batch}},
            "styles": {
                style: {"prompt": prompt, "max_tokens": 8, "captioner": "recap"}
                for style, prompt in self.prompts.items()
            },
        }
        file = self.folder / "recap.yaml"
        file.write_text(yaml.safe_dump(told), encoding="utf-8")
        return Project.open(file)

    def shown(self, shard: str) -> set[int]:
        """The pictures of a shard that can be captioned."""
        return set(self.data[shard].values()) - {0}

    def changed(self) -> set[tuple[str, str, int]]:
        """What no run captioned yet."""
        every = {number for shard in self.data for number in self.shown(shard)}
        return {(s, p, n) for s, p in self.prompts.items() for n in every} - self.known


def bring(project: Project) -> dict[str, int]:
    """Build what is not fresh; the rows captioned by shard."""
    rows: dict[str, int] = {}
    for stage in (images.STAGE, recaptions.STAGE, manifest.STAGE):
        for key in stage.keys(project):
            with remembering():
                if status.of(project, stage, key).state == "fresh":
                    continue
                product = stage.build(project, key)
            if stage is recaptions.STAGE:
                rows[str(key)] = product.computed
    return rows


def behind(project: Project) -> set[str]:
    """The shards that `recap status` shows as not fresh."""
    with remembering():
        return {
            str(key)
            for stage in (images.STAGE, recaptions.STAGE)
            for key in stage.keys(project)
            if status.of(project, stage, key).state != "fresh"
        }


Edit = Callable[[World], None]
SHARDS, KEYS, NUMBERS = (
    st.sampled_from("xyz"),
    st.sampled_from(["k1", "k2", "k3"]),
    st.integers(0, 6),
)


def _put(shard: str, key: str, number: int) -> Edit:
    def edit(world: World) -> None:
        world.data.setdefault(shard, {"k0": 1})[key] = number

    return edit


def _remove(shard: str, key: str) -> Edit:
    def edit(world: World) -> None:
        if len(world.data.get(shard, {})) > 1:
            world.data[shard].pop(key, None)

    return edit


def _move(source: str, key: str, target: str, new: str) -> Edit:
    def edit(world: World) -> None:
        if source in world.data and key in world.data[source] and len(world.data[source]) > 1:
            world.data.setdefault(target, {})[new] = world.data[source].pop(key)

    return edit


def _rename_shard(source: str, target: str) -> Edit:
    def edit(world: World) -> None:
        if source in world.data and target not in world.data:
            world.data[target] = world.data.pop(source)

    return edit


def _drop_shard(shard: str) -> Edit:
    def edit(world: World) -> None:
        if len(world.data) > 1:
            world.data.pop(shard, None)

    return edit


def _prompt(style: str, prompt: str) -> Edit:
    def edit(world: World) -> None:
        world.prompts[style] = prompt

    return edit


EDIT = st.one_of(
    st.builds(_put, SHARDS, KEYS, NUMBERS),
    st.builds(_put, SHARDS, KEYS, NUMBERS),
    st.builds(_remove, SHARDS, KEYS),
    st.builds(_move, SHARDS, KEYS, SHARDS, KEYS),
    st.builds(_rename_shard, SHARDS, SHARDS),
    st.builds(_drop_shard, SHARDS),
    st.builds(_prompt, st.sampled_from(STYLES), st.sampled_from([*PROMPTS, ""])),
)


def check(world: World, project: Project, plan: Forecast, encoded: int) -> None:
    """The plan, the run and the store against the plain sets."""
    changed = world.changed()
    assert plan.rows_to_caption == len(changed)
    by_style = {style: plan.styles[style].rows_to_caption for style in STYLES}
    assert by_style == {s: sum(c[0] == s for c in changed) for s in STYLES}
    assert sum(plan.styles[s].reasons.total() for s in STYLES) == len(changed)
    assert encoded == len({number for _, _, number in changed})
    for style in STYLES:
        its = recipes.recipe(project, style)
        for shard in world.data:
            rows = recipes.store(project).read(its, shard)
            assert rows is not None
            assert rows.height == len(world.shown(shard))
            assert set(rows["shard"]) <= {shard}


@settings(max_examples=12)
@given(history=st.lists(st.lists(EDIT, min_size=1, max_size=3), min_size=1, max_size=5))
def test_recomputed_is_changed_exactly(history: list[list[Edit]], base_models: Path) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        world = World(folder, base_models / "captioner")
        for edits in [[], *history]:
            for edit in edits:
                edit(world)
            project = world.save()
            model = captioner.loaded(project, "recap", captioner.wanted(project, "recap"))
            stale = behind(project)
            plan = forecast(project)
            assert not plan.problems
            assert set(plan.shards) == stale
            seen = model.encodes
            rows = bring(project)
            assert sum(rows.values()) == plan.rows_to_caption
            check(world, project, plan, model.encodes - seen)
            world.known |= world.changed()
            assert not behind(project)
            again = forecast(project)
            assert (again.rows_to_caption, again.shards) == (0, {})
            assert not list(project.root.rglob(".tmp-*"))
    finally:
        shutil.rmtree(folder)
