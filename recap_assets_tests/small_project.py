"""A whole project in miniature on the drawn world: written, built, copied, and its tars edited."""

from __future__ import annotations

import os
import shutil
import signal
import tarfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from recap_assets.defs import home
from recap_assets.defs.execute import Outcome, bring_up_to_date
from recap_assets.experiment.project import Project
from recap_assets.images.writer import write_tar
from recap_assets.scenes.contents import shard_samples
from recap_assets.stages import shards
from recap_assets.stages.graph import select

#: Members by extension under their key, as a reader of the tar would find them.
Samples = dict[str, dict[str, bytes]]
CAPTIONS = "images,human_captions,captioner,recaptions,caption_manifest"
TRAINED = f"{CAPTIONS},latents,t2i_checkpoint"


def settings(base_models: Path) -> dict[str, Any]:
    """The recap.yaml of the miniature."""
    detector = str(base_models / "detector")
    return {
        "extends": "scenes",
        "root": "store",
        "world": {"shards": 2, "images_per_shard": 8, "human_images": 6, "prompts": 12},
        "captioners": {
            "recap": {
                "model": str(base_models / "captioner"),
                "tune": {"steps": 2, "batch": 4, "lr": 1e-6},
            }
        },
        "t2i": {"model": str(base_models / "t2i"), "steps": 2, "batch": 4},
        "arms": {"short": None},
        "evaluation": {
            "detector": detector,
            "extractor": detector,
            "sampler_steps": 2,
            "bootstrap": 100,
        },
        "gates": {"caption_error_rate": 1.0, "decode_error_rate": 0.3},
    }


def write(folder: Path, base_models: Path) -> Project:
    """A project that nothing was run in."""
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder / "recap.yaml", settings(base_models))
    return Project.open(folder)


def change(project: Project, dotted: str, value: object) -> Project:
    """The project after its recap.yaml says `value` at `dotted`, such as "styles.long.prompt"."""
    told = yaml.safe_load(project.file.read_text(encoding="utf-8"))
    *sections, last = dotted.split(".")
    place = told
    for section in sections:
        place = place.setdefault(section, {})
    place[last] = value
    _save(project.file, told)
    return Project.open(project.file)


def copy(project: Project, folder: Path) -> Project:
    """The project with all that was built, in another folder.

    Weights and pictures are linked: nothing ever changes them in place.
    """
    shutil.copytree(project.file.parent, folder, copy_function=_link_or_copy)
    return Project.open(folder)


def same_store(project: Project, folder: Path) -> Project:
    """The project as another recap.yaml that shares its store, to be asked and not run."""
    told = yaml.safe_load(project.file.read_text(encoding="utf-8"))
    _save(folder / "recap.yaml", told | {"root": str(project.root)})
    return Project.open(folder)


def drawn(project: Project) -> Project:
    """The project with its world on disk, and nothing else."""
    shards.draw_world(project)
    return project


def opened(project: Project) -> AbstractContextManager[dg.DagsterInstance]:
    """The project's own Dagster instance; processes started now find project and instance."""
    os.environ["RECAP_CONFIG"] = str(project.file)
    os.environ["DAGSTER_HOME"] = str(project.dagster_home)
    return home.instance(project)


def run(project: Project, names: str | None = None) -> Outcome:
    """What `recap run` does."""
    with opened(project) as instance:
        return bring_up_to_date(project, instance, select(names))


def ran(outcome: Outcome) -> dict[str, dict[str | None, int]]:
    """How much was computed for every partition that ran, by asset."""
    found: dict[str, dict[str | None, int]] = {}
    for one in outcome.ran:
        assert one.error is None, one
        found.setdefault(one.asset, {})[one.partition] = one.computed
    return found


def tar(project: Project, shard: str) -> Path:
    """The tar of a shard of the drawn world."""
    return project.root / "world" / f"{shard}.tar"


def edit(path: Path, change: Callable[[Samples], None]) -> None:
    """Write the tar again after `change` to its samples."""
    found: Samples = {}
    with tarfile.open(path) as opened:
        for member in opened:
            key, _, extension = member.name.partition(".")
            data = opened.extractfile(member)
            assert data is not None
            found.setdefault(key, {})[extension] = data.read()
    change(found)
    write_tar(path, [{"__key__": key, **members} for key, members in found.items()])


def add_shard(project: Project, shard: str = "00002") -> Path:
    """One more tar in the data set, with as many pictures as the others."""
    world = project.config.world
    assert world is not None
    write_tar(tar(project, shard), shard_samples(world, int(shard)))
    return tar(project, shard)


def heed_ctrl_c() -> None:
    """For `preexec_fn`: a suite started in the background ignores Ctrl-C, and so would children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _save(path: Path, told: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")


def _link_or_copy(source: str, target: str) -> None:
    if source.endswith((".safetensors", ".png")):
        os.link(source, target)
    else:
        shutil.copy2(source, target)
