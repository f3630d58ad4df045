"""Small projects with a captioner of each family, from pictures to manifests of their captions."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.generate import Held, batches, caption
from recap_assets.captioning.load import load
from recap_assets.captioning.question import Question
from recap_assets.experiment.project import Project
from recap_assets.stages import captioner, manifest, recipes
from recap_assets_tests import small_project
from recap_assets_tests.captioning.models import (
    florence2,
    git,
    llava,
    paligemma,
    qwen_vl,
    smolvlm,
)

pytestmark = pytest.mark.slow

#: Family -> what writes its model into a folder, the prompt of the long style, and the tuning
#: steps after which it ends its captions by itself.
BUILDERS: dict[str, tuple[Callable[[Path], Path], str, int]] = {
    "florence2": (florence2.save, "<MORE_DETAILED_CAPTION>", 60),
    "git": (git.save, "long caption:", 60),
    "llava": (llava.save, "long caption:", 60),
    "paligemma": (paligemma.save, "long caption:", 120),
    "qwen2.5-vl": (qwen_vl.save, "long caption:", 60),
    "qwen3-vl": (partial(qwen_vl.save, version="3"), "long caption:", 60),
    "smolvlm": (smolvlm.save, "long caption:", 60),
}
SHARDS = ("00000", "00001")
TUNE = {"batch": 8, "lr": 1e-2, "train": ["image_encoder", "text_decoder"]}


def asking(project: Project, name: str, folder: Path) -> Project:
    """The project with a captioner of this family, tuned for its steps."""
    build, prompt, steps = BUILDERS[name]
    for place, value in {
        "captioners.recap.model": str(build(folder)),
        "captioners.recap.tune": {**TUNE, "steps": steps},
        "styles.long.prompt": prompt,
    }.items():
        project = small_project.change(project, place, value)
    return project


def tuned(project: Project) -> Captioner:
    version = captioner.wanted(project, "recap")
    return load(captioner.folder(project, "recap", version), captioner.settings(project, "recap"))


def pictures(project: Project, shard: str) -> dict[str, Image.Image]:
    """The pictures of a shard by key, from its tar."""
    found = {}
    with tarfile.open(small_project.tar(project, shard)) as opened:
        for member in opened:
            data = opened.extractfile(member)
            if data is not None and member.name.endswith((".png", ".jpg")):
                shown = Image.open(io.BytesIO(data.read()))
                found[member.name.partition(".")[0]] = shown.convert("RGB")
    return found


def rows(project: Project, style: str, shard: str) -> pl.DataFrame:
    found = recipes.store(project).read(recipes.recipe(project, style), shard)
    assert found is not None
    return found


@pytest.mark.parametrize("name", BUILDERS)
def test_a_project_is_captioned(name: str, project: Project, tmp_path: Path) -> None:
    project = asking(project, name, tmp_path / "model")
    ran = small_project.ran(small_project.run(project, small_project.CAPTIONS))

    assert ran["captioner"] == {"recap": BUILDERS[name][2]}
    card = captioner.card(project, "recap", captioner.wanted(project, "recap"))
    assert card["losses"][-1] < card["losses"][0] / 2
    model, good = tuned(project), dict.fromkeys(("short", "long"), 0)
    for shard in SHARDS:
        shown = pictures(project, shard)
        assert ran["recaptions"][shard] == 2 * len(shown) == 16
        for style in good:
            its = project.config.styles[style]
            said = dict(rows(project, style, shard).select("source_key", "caption").iter_rows())
            for key, picture in shown.items():
                alone = caption(model, [picture], {style: (its.prompt, its.max_tokens)})
                assert said[key] == alone[style][0].text
            good[style] += rows(project, style, shard).filter(status="ok").height
    assert {style: manifest.frame(project, style).height for style in good} == good
    assert all(good.values())
    assert not small_project.ran(small_project.run(project, small_project.CAPTIONS))


def test_a_chat_model_rewrites_what_it_said_without_looking_again(
    project: Project, tmp_path: Path
) -> None:
    project = asking(project, "qwen2.5-vl", tmp_path / "model")
    brief = {"prompt": "brief: {long}", "captioner": "recap", "picture": False, "max_tokens": 12}
    project = small_project.change(project, "styles.brief", brief)
    small_project.ran(small_project.run(project, small_project.CAPTIONS))

    model = tuned(project)
    for shard in SHARDS:
        said = dict(rows(project, "long", shard).select("source_key", "caption").iter_rows())
        told = dict(rows(project, "brief", shard).select("source_key", "caption").iter_rows())
        assert told.keys() == said.keys()
        for key, text in said.items():
            asked = Question("brief", [f"brief: {text}"], 12, [0], picture=False)
            ((_, made),) = batches(model, Held([]), 1, [asked])
            assert told[key] == made["brief"][0].text
