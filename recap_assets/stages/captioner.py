"""Stage `captioner`: the base captioner fine-tuned on the human captions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recap_assets.captioning import files
from recap_assets.experiment import atomic
from recap_assets.experiment.captioner_settings import Captioner as Settings
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest
from recap_assets.experiment.project import Project
from recap_assets.stages import curve, human, inputs
from recap_assets.stages.memory import remembered
from recap_assets.stages.progress import tell
from recap_assets.stages.stage import Key, Product, Stage, Table, named

NAME = "captioner"
CODE = "1"


def keys(project: Project) -> list[Key]:
    """Every captioner that recap.yaml names."""
    return list(project.config.captioners)


def settings(project: Project, name: str) -> Settings:
    """The settings of a captioner."""
    if name not in project.config.captioners:
        raise UserError(f"captioner {name!r}: recap.yaml does not name it")
    return project.config.captioners[name]


def resolved(project: Project, name: str) -> Settings:
    """The settings of a captioner with its reranker's folder in place of the name for it."""
    mine = settings(project, name)
    if mine.reranker is None:
        return mine
    return mine.model_copy(update={"reranker": str(project.model(mine.reranker))})


def prompts(project: Project, name: str) -> dict[str, str]:
    """The text prefix of each style that this captioner learns from people."""
    return {
        style: project.config.styles[style].prompt
        for style in project.config.human.captions
        if project.config.styles[style].captioner == name
    }


@remembered
def wanted(project: Project, key: Key) -> str:
    """A digest of the base weights and, if it is tuned, of everything that tuning depends on."""
    name = named(key)
    mine = settings(project, name)
    base = base_digest(project, name)
    if mine.tune is None:
        return base
    styles = prompts(project, name)
    if not styles:
        raise UserError(
            f"captioner {name!r}: is to be tuned, but human.captions has no style of it; "
            "add one or remove `tune`"
        )
    contents = {style: human.content(project, style) for style in styles}
    return digest([CODE, base, mine.tune, styles, contents])


@remembered
def base_digest(project: Project, name: str) -> str:
    """What identifies the model before tuning."""
    mine = settings(project, name)
    code = mine.trust_remote_code
    return files.locate(project.model(mine.model), mine.revision, code=code).digest


def folder(project: Project, name: str, version: str) -> Path | str:
    """Where the captioner of a version is loaded from."""
    mine = settings(project, name)
    return project.model(mine.model) if mine.tune is None else project.captioner(name, version)


def made(project: Project, key: Key, version: str) -> bool:
    """Whether its weights are there; a captioner without tuning always is."""
    name = named(key)
    return settings(project, name).tune is None or project.captioner(name, version).is_dir()


def seen(project: Project, key: Key) -> bool:
    """Whether any version of it is there."""
    return (project.root / "captioners" / named(key)).is_dir()


def build(project: Project, key: Key) -> Product:
    """Fine-tune it unless its recipe was followed before."""
    name = named(key)
    version = wanted(project, key)
    mine = settings(project, name)
    if mine.tune is None:
        return Product(version, 0, {"model": mine.model, "tuned": False})
    fresh = not made(project, key, version)
    if fresh:
        _tune(project, name, version)
    path = project.captioner(name, version)
    return Product(version, mine.tune.steps if fresh else 0, _facts(path))


def card(project: Project, name: str, version: str) -> dict[str, Any]:
    """What was written down when the captioner was tuned; empty without tuning."""
    path = project.captioner(name, version) / "recap.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _tune(project: Project, name: str, version: str) -> None:
    from recap_assets.captioning.load import load
    from recap_assets.captioning.save import save
    from recap_assets.captioning.tune import tune

    mine = settings(project, name)
    assert mine.tune is not None
    how = mine.tune
    styles = prompts(project, name)
    result = tune(
        load(project.model(mine.model), mine),
        human.frame(project, list(styles)),
        styles,
        steps=how.steps,
        lr=how.lr,
        batch=how.batch,
        dropout=how.dropout,
        seed=how.seed,
        parts=how.train,
        progress=lambda step, loss: tell(step, how.steps, f"tuning {name}, loss {loss:.3f}"),
    )
    facts = {
        "title": f"{name}: a captioner tuned on human captions",
        "base_model": mine.model,
        "base_digest": base_digest(project, name),
        "version": version,
        "human_captions": {style: human.content(project, style) for style in styles},
        "tune": how.model_dump(mode="json"),
        "simulated": inputs.is_simulated(project),
        "prompts": styles,
        "scores": result.validation,
    }
    with atomic.directory(project.captioner(name, version)) as folder:
        save(result.captioner, folder, facts)
        told = json.loads((folder / "recap.json").read_text(encoding="utf-8"))
        told |= {"losses": result.losses, "before": result.before}
        (folder / "recap.json").write_text(
            json.dumps(told, indent=1) + "\n", encoding="utf-8", newline="\n"
        )


def _facts(path: Path) -> dict[str, Any]:
    import polars as pl

    told = json.loads((path / "recap.json").read_text(encoding="utf-8"))
    losses = told["losses"]
    rows = [
        {"style": style, "when": when, **scores}
        for when, by_style in (("before", told["before"]), ("after", told["scores"]))
        for style, scores in by_style.items()
    ]
    return {
        "path": path,
        "steps": len(losses),
        "loss_first": losses[0],
        "loss_last": sum(losses[-10:]) / len(losses[-10:]),
        "validation": Table(pl.DataFrame(rows)),
        "loss_curve": curve.picture(losses),
        "simulated": told.get("simulated", False),
    }


STAGE = Stage(NAME, keys, wanted, made, seen, build)
