"""What decides the captions now: the recipe of every style, and what the store has of it."""

from __future__ import annotations

from recap_assets.captions.plan import Plan, Refresh
from recap_assets.captions.recipe import ALT, Recipe
from recap_assets.captions.store import CaptionStore
from recap_assets.experiment.checks import ALT as ALT_STYLE
from recap_assets.experiment.project import Project
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
        adapter_sha=captioner.wanted(project, mine.captioner),
        prompt_id=style,
        prompt=mine.prompt,
        sampling={"max_tokens": mine.max_tokens, "method": "greedy"},
        code_version=CODE,
    )


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
    """The digest of what a shard's captions by a recipe are of; alt-text counts where copied."""
    return images.pictures(project, shard, texts=its.copies_alt)


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
