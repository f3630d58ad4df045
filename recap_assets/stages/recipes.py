"""What decides the captions now: the recipe of every style, and what the store has of it."""

from __future__ import annotations

from recap_assets.captions.plan import Plan, Refresh
from recap_assets.captions.recipe import ALT, Recipe
from recap_assets.captions.store import CaptionStore
from recap_assets.experiment.captioner_settings import Captioner, Style
from recap_assets.experiment.fingerprint import model_digest
from recap_assets.experiment.keys import ALT as ALT_STYLE
from recap_assets.experiment.project import Project
from recap_assets.experiment.template import fields
from recap_assets.stages import captioner, images
from recap_assets.stages.memory import remembered

CODE = "1"


def store(project: Project) -> CaptionStore:
    """The caption rows of the project."""
    return CaptionStore(project.root)


@remembered
def recipe(project: Project, style: str) -> Recipe:
    """How captions of a style are made now.

    Raises:
        NotReady: if its captioner's inputs are not there.
    """
    if style == ALT_STYLE:
        return ALT
    mine = project.config.styles[style]
    model = project.config.captioners[mine.captioner]
    return Recipe(
        style=style,
        model_id=model.model,
        model_revision=model.revision,
        adapter_sha=captioner.wanted(project, mine.captioner, mine.step),
        prompt_id=style,
        prompt=mine.prompt,
        sampling=_sampling(project, style),
        code_version=CODE,
    )


def _sampling(project: Project, style: str) -> dict[str, object]:
    """How tokens are chosen, and what is shown besides the picture as it is."""
    mine = project.config.styles[style]
    model = project.config.captioners[mine.captioner]
    asked: dict[str, object] = {"max_tokens": mine.max_tokens, "method": "greedy"}
    if mine.temperature:
        asked |= {"method": "sample", "temperature": mine.temperature, "top_p": mine.top_p}
        asked |= {"seed": mine.seed, "candidates": mine.candidates}
        if mine.candidates > 1 and model.reranker is not None:
            asked["reranker"] = model_digest(project.model(model.reranker))
    if reads := _reads(project, fields(mine.prompt)):
        asked["reads"] = reads
    return asked | _shown(mine, model)


def _reads(project: Project, names: list[str]) -> dict[str, str]:
    """What a prompt quotes, alt-text among it if a quoted style quotes that."""
    quoted = {name: recipe(project, name) for name in names}
    if any(its.shows_alt for its in quoted.values()):
        quoted[ALT_STYLE] = ALT
    return {name: its.short for name, its in quoted.items()}


def _shown(style: Style, model: Captioner) -> dict[str, object]:
    """The settings that decide a caption wherever they differ from the usual ones."""
    told = {
        "picture": style.picture,
        "system": model.system,
        "view": model.view,
        "max_pixels": model.max_pixels,
        "precision": model.precision,
    }
    usual = {"picture": True, "view": "whole", "precision": "float32"}
    return {name: value for name, value in told.items() if value != usual.get(name)}


@remembered
def recipes(project: Project) -> dict[str, Recipe]:
    """The recipe of every style."""
    return {style: recipe(project, style) for style in project.style_names()}


def plans(project: Project, shard: str, refresh: Refresh = "stale") -> dict[str, Plan]:
    """By style, the rows of a shard that stand and those to be made."""
    index = images.frame(project, shard)
    return {
        style: store(project).plan(index, its, refresh) for style, its in recipes(project).items()
    }


def pictures(project: Project, its: Recipe, shard: str) -> str:
    """The digest of what a shard's captions by a recipe are of; alt-text counts where shown."""
    return images.pictures(project, shard, texts=its.shows_alt)


def is_current(project: Project, its: Recipe, shard: str) -> bool:
    """Whether the store has a recipe's rows of just the pictures that the shard has now.

    Raises:
        NotReady: if the shard is not indexed as its tar is now.
    """
    footer = store(project).footer(its, shard)
    return footer is not None and footer.pictures == pictures(project, its, shard)


def statuses(project: Project, shard: str) -> dict[str, dict[str, int]]:
    """How many rows of each status a shard has, by style."""
    return {style: _statuses(project, its, shard) for style, its in recipes(project).items()}


def _statuses(project: Project, its: Recipe, shard: str) -> dict[str, int]:
    footer = store(project).footer(its, shard)
    return {} if footer is None else footer.statuses
