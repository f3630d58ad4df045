"""What a run would do, why, and how long by past rates; nothing is built to find out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import polars as pl

from recap_assets.captions import footer as footers
from recap_assets.captions import why
from recap_assets.captions.recipe import Recipe
from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.keys import ALT as ALT_STYLE
from recap_assets.experiment.project import Project
from recap_assets.stages import (
    captioner,
    checkpoint,
    images,
    inputs,
    recaptions,
    recipes,
    refresh,
    status,
)
from recap_assets.stages.foresight import foreseeing
from recap_assets.stages.memory import remembering
from recap_assets.stages.progress import tell
from recap_assets.stages.stage import NotReady, named


@dataclass
class StylePlan:
    """The rows of one style; `reasons` says how many are captioned for which."""

    rows_to_caption: int = 0
    rows_reused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: float | None = None


@dataclass(frozen=True)
class Forecast:
    """What bringing captions and arms up to date would do.

    shards: those whose index or captions are not as they should be, and why.
    arms_to_train: each with its reason; one whose captions are still to be written is among them,
        though they may come out as they were.
    problems: what cannot be looked at, a line each.
    seconds: by past rates, None where nothing was done before.
    """

    styles: dict[str, StylePlan]
    shards: dict[str, str]
    captioners_to_tune: list[str]
    arms_to_train: dict[str, str]
    problems: list[str]
    seconds: float | None

    @property
    def rows_to_caption(self) -> int:
        """Over all styles."""
        return sum(style.rows_to_caption for style in self.styles.values())

    @property
    def rows_reused(self) -> int:
        """Over all styles."""
        return sum(style.rows_reused for style in self.styles.values())


def forecast(project: Project) -> Forecast:
    """Look at every shard, captioner and arm as a run would find them.

    Shards that are not indexed as they are now are read, so that the rows are exact.
    """
    styles = {style: StylePlan() for style in project.config.styles}
    asked: dict[str, set[int]] = {style: set() for style in styles}
    shards: dict[str, str] = {}
    problems: list[str] = []
    behind = _behind(project)
    with foreseeing():
        every = sorted(inputs.shards(project))
        for number, shard in enumerate(every, 1):
            tell(number, len(every), "looking at the shards")
            try:
                changed = _shard(project, shard, styles, asked)
            except UserError as error:
                problems.append(str(error))
                continue
            if changed or shard in behind:
                shards[shard] = behind.get(shard, "captions to write again")
        tune = [name for name in map(named, captioner.keys(project)) if not _tuned(project, name)]
        arms = _arms(project)
    for style, mine in styles.items():
        mine.seconds = _seconds(project, style, mine.rows_to_caption)
    return Forecast(styles, shards, tune, arms, problems, _total(project, styles, arms))


def _behind(project: Project) -> dict[str, str]:
    """The shards that `recap status` shows as not fresh, and why."""
    found = {}
    with remembering():
        for shard in sorted(inputs.shards(project)):
            for stage in (images.STAGE, recaptions.STAGE):
                state = status.of(project, stage, shard)
                if state.state != "fresh":
                    found[shard] = f"{stage.name}: {state.reason}"
                    break
    return found


def _shard(
    project: Project, shard: str, styles: dict[str, StylePlan], asked: dict[str, set[int]]
) -> bool:
    """Add a shard's rows to the styles; whether it has any to caption.

    `asked` keeps what earlier shards caption: the same picture will be found there.
    """
    todo = 0
    store, how = recipes.store(project), refresh.asked()
    for style, plan in recipes.plans(project, shard, how).items():
        if style == ALT_STYLE:
            continue
        mine, its = styles[style], recipes.recipe(project, style)
        rows = plan.todo if how == "all" else _unasked(plan.todo, its, asked[style])
        mine.rows_reused += plan.kept.height + plan.todo.height - rows.height
        mine.rows_to_caption += rows.height
        if rows.height:
            mine.reasons += why.reasons(store, its, shard, rows, how)
        todo += plan.todo.height
    return bool(todo)


def _unasked(todo: pl.DataFrame, its: Recipe, asked: set[int]) -> pl.DataFrame:
    """The rows whose caption no earlier shard writes; they are asked for from now on."""
    shown = todo.select("image_sha256", pl.col("alt").fill_null("")).iter_rows()
    keys = [int(its.row_key(sha, alt)[:15], 16) for sha, alt in shown]
    rows = todo.filter(pl.Series([key not in asked for key in keys], dtype=pl.Boolean))
    asked.update(keys)
    return rows


def _tuned(project: Project, name: str) -> bool:
    try:
        return captioner.made(project, name, captioner.wanted(project, name))
    except (NotReady, UserError):
        return False


def _arms(project: Project) -> dict[str, str]:
    """The arms that would be trained, and why."""
    found = {}
    for arm in map(named, checkpoint.keys(project)):
        try:
            version = checkpoint.wanted(project, arm)
            if checkpoint.made(project, arm, version):
                continue
            seen = checkpoint.seen(project, arm)
            found[arm] = checkpoint.lacks(project, arm, version) if seen else "never trained"
        except (NotReady, UserError) as waiting:
            found[arm] = str(waiting)
    return found


def _seconds(project: Project, style: str, rows: int) -> float | None:
    """The time to caption `rows` at the rate of the style's files, by any recipe."""
    if not rows:
        return 0.0
    done, took = 0, 0.0
    for file in project.captions.glob(f"style={style}/recipe=*/*.parquet"):
        footer = footers.parse(atomic.read_parquet_metadata(file))
        if footer is not None and footer.seconds:
            done, took = done + footer.computed, took + footer.seconds
    return rows * took / done if done else None


def _total(project: Project, styles: dict[str, StylePlan], arms: dict[str, str]) -> float | None:
    """The time of captions and arms, None where something has no past rate."""
    parts = [mine.seconds for mine in styles.values()]
    parts += [checkpoint.past_seconds(project, arm) for arm in arms]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
