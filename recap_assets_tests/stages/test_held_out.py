"""Copies of evaluation's pictures are held out too where the project asks for it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from recap_assets.experiment.project import Project
from recap_assets.stages import images, inputs
from recap_assets.stages.held_out import held_out
from recap_assets.stages.stage import NotReady
from recap_assets_tests.images.tar_making import encoded, member, write
from recap_assets_tests.images.test_near import photo

ASKED = encoded(photo(1))
COPY = encoded(photo(1).resize((90, 90)), "JPEG", quality=60)
OTHER = encoded(photo(2))


def project(folder: Path, near: str) -> Project:
    data = (ASKED, COPY, OTHER)
    write(folder / "a.tar", [member(f"{n}.png", one) for n, one in enumerate(data)])
    (folder / "asked.png").write_bytes(ASKED)
    line = {"id": "p1", "prompt": "a thing", "style": "short", "image": "asked.png"}
    (folder / "prompts.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    (folder / "recap.yaml").write_text(
        "extends: photo\nroot: store\n"
        f"dataset: {{urls: a.tar, near_duplicates: {near}}}\n"
        "evaluation: {prompts: prompts.jsonl}\n",
        encoding="utf-8",
    )
    return Project.open(folder)


def digests(*data: bytes) -> set[str]:
    return {hashlib.sha256(one).hexdigest() for one in data}


@pytest.mark.parametrize(("near", "found"), [("null", (ASKED,)), ("6", (ASKED, COPY))])
def test_near_pictures_are_held_out_where_asked(
    tmp_path: Path, near: str, found: tuple[bytes, ...]
) -> None:
    its = project(tmp_path, near)
    images.build(its, "a")
    assert held_out(its) == digests(*found)
    assert inputs.held_out(its) == digests(ASKED)


def test_they_are_not_known_before_the_index(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match=r"images\[a\]"):
        held_out(project(tmp_path, "6"))
