"""Stage `captioner`: the base captioner fine-tuned on the human captions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recap_assets.captioning import files
from recap_assets.captioning.endpoint.identity import identity
from recap_assets.experiment import atomic
from recap_assets.experiment.captioner_settings import Captioner as Settings
from recap_assets.experiment.captioner_settings import Tune
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest
from recap_assets.experiment.project import Project
from recap_assets.stages import captioner_checks, curve, inputs, lessons
from recap_assets.stages.memory import remembered
from recap_assets.stages.progress import tell
from recap_assets.stages.stage import Key, Product, Stage, Table, named

if TYPE_CHECKING:
    from recap_assets.captioning.captioner import Captioner
    from recap_assets.captioning.tune import TuneResult

NAME = "captioner"
CODE = "1"


def keys(project: Project) -> list[Key]:
    """Every captioner that recap.yaml names."""
    return list(project.config.captioners)


def settings(project: Project, name: str) -> Settings:
    """The settings of a captioner, its reranker's folder as it is seen from here."""
    if name not in project.config.captioners:
        raise UserError(f"captioner {name!r}: recap.yaml does not name it")
    mine = project.config.captioners[name]
    if mine.reranker is None:
        return mine
    return mine.model_copy(update={"reranker": str(project.model(mine.reranker))})


@remembered
def wanted(project: Project, key: Key, step: int | None = None) -> str:
    """A digest of the base weights and, if it is tuned, of everything that tuning depends on.

    With `step` that of the weights after so many steps, one of `tune.checkpoints`.
    """
    name = named(key)
    mine = settings(project, name)
    base = base_digest(project, name)
    if mine.tune is None:
        return base
    styles = lessons.prompts(project, name)
    if not styles:
        raise UserError(
            f"captioner {name!r}: is to be tuned, but human.captions has no style of it; "
            "add one or remove `tune`"
        )
    told = [CODE, base, mine.tune, styles, lessons.contents(project, name)]
    return digest(told if step is None else [*told, step])


@remembered
def base_digest(project: Project, name: str) -> str:
    """What identifies the model before tuning."""
    mine = settings(project, name)
    if mine.endpoint is not None:
        return identity(mine)
    model = project.model(mine.model)
    return files.locate(model, mine.revision, code=mine.trust_remote_code).digest


def folder(project: Project, name: str, version: str, step: int | None = None) -> Path | str:
    """Where the weights of a version lie, those after `step` steps of tuning if it is given."""
    mine = settings(project, name)
    if mine.tune is None:
        return project.model(mine.model)
    return _place(project.captioner(name, version), step)


def loaded(project: Project, name: str, version: str, step: int | None = None) -> Captioner:
    """The captioner of a version, in memory."""
    from recap_assets.captioning.load import load

    mine = settings(project, name)
    place = folder(project, name, version, step)
    if mine.tune is not None and mine.tune.method == "lora":
        return load(project.model(mine.model), mine, Path(place))
    return load(place, mine)


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
        facts = {"model": mine.model, "tuned": False}
        return Product(version, 0, facts, captioner_checks.untuned())
    fresh = not made(project, key, version)
    if fresh:
        _tune(project, name, mine.tune, project.captioner(name, version))
    told = card(project, name, version)
    return Product(
        version,
        len(told["losses"]) if fresh else 0,
        {"path": project.captioner(name, version), **_facts(told)},
        captioner_checks.checks(project, name, told),
    )


def card(project: Project, name: str, version: str) -> dict[str, Any]:
    """What was written down when the captioner was tuned; empty without tuning."""
    path = project.captioner(name, version) / "recap.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _place(folder: Path, step: int | None) -> Path:
    return folder if step is None else folder / f"step-{step}"


def _tune(project: Project, name: str, how: Tune, path: Path) -> None:
    """Tune it, and write its last or best weights and those of each checkpoint."""
    from recap_assets.captioning.load import load
    from recap_assets.captioning.save import put
    from recap_assets.captioning.tune import Save, tune

    mine = settings(project, name)
    base = load(project.model(mine.model), mine)
    rows = lessons.rows(project, name)
    about = _about(project, name, how, type(base.family.model).__name__)
    with atomic.directory(path) as folder:

        def keep(step: int, save: Save) -> None:
            _place(folder, step).mkdir()
            put(save, _place(folder, step), {**about, "step": step})

        result = tune(
            base,
            rows,
            list(lessons.prompts(project, name)),
            how,
            judge=lessons.judge(project, rows),
            keep=keep,
            progress=lambda step, loss: tell(step, how.steps, f"tuning {name}, loss {loss:.3f}"),
        )
        put(result.save, folder, {**about, **_outcome(result)})


def _about(project: Project, name: str, how: Tune, architecture: str) -> dict[str, Any]:
    """What the cards of a tuned captioner say, whichever step they are of."""
    from recap_assets.captioning.lora import base_name

    mine = settings(project, name)
    base = base_name(mine.model)
    adapter = {
        "base": base,
        "on_hub": isinstance(project.model(mine.model), str),
        "revision": mine.revision,
        "architecture": architecture,
    }
    return {
        "title": f"{name}: a captioner tuned on human captions",
        "base_model": base,
        "base_digest": base_digest(project, name),
        "version": wanted(project, name),
        "human_captions": lessons.contents(project, name),
        "tune": how.model_dump(mode="json"),
        "simulated": inputs.is_simulated(project),
        "prompts": lessons.prompts(project, name),
        **({"adapter": adapter} if how.method == "lora" else {}),
    }


def _outcome(result: TuneResult) -> dict[str, Any]:
    return {
        "steps": len(result.losses),
        "scores": result.validation,
        "before": result.before,
        "losses": result.losses,
        "standings": [one._asdict() for one in result.standings],
        "stopping": result.stopping,
    }


def _facts(told: dict[str, Any]) -> dict[str, Any]:
    import polars as pl

    losses, standings = told["losses"], told["standings"]
    return {
        "steps": len(losses),
        "loss_first": losses[0],
        "loss_last": sum(losses[-10:]) / len(losses[-10:]),
        "validation": Table(captioner_checks.table(told)),
        "validation_by_step": Table(pl.DataFrame(standings)) if standings else None,
        "early_stopping": told["stopping"],
        "loss_curve": curve.picture(losses),
        "simulated": told.get("simulated", False),
    }


STAGE = Stage(NAME, keys, wanted, made, seen, build)
