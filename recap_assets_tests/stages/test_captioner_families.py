"""Small projects with a captioner of each family, from pictures to manifests of their captions."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.generate import caption
from recap_assets.captioning.load import load
from recap_assets.experiment.project import Project
from recap_assets.stages import captioner, manifest, recipes
from recap_assets_tests import small_project
from recap_assets_tests.captioning.models import florence2, git

pytestmark = pytest.mark.slow

#: Family -> what writes its model into a folder, and the prompt of the long style.
BUILDERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "florence2": (florence2.save, "<MORE_DETAILED_CAPTION>"),
    "git": (git.save, "long caption:"),
}
SHARDS = ("00000", "00001")
TUNE = {"steps": 60, "batch": 8, "lr": 1e-2, "train": ["image_encoder", "text_decoder"]}


def asking(project: Project, model: Path, prompt: str) -> Project:
    """The project with this captioner, tuned long enough to end its captions by itself."""
    for place, value in {
        "captioners.recap.model": str(model),
        "captioners.recap.tune": TUNE,
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
    build, prompt = BUILDERS[name]
    project = asking(project, build(tmp_path / "model"), prompt)
    ran = small_project.ran(small_project.run(project, small_project.CAPTIONS))

    assert ran["captioner"] == {"recap": TUNE["steps"]}
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
