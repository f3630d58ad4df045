"""The command `recap export`: the captions as they are now, written for another trainer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from recap_assets.captions.export import card, kohya, parquet, webdataset, wide
from recap_assets.captions.export.about import About
from recap_assets.captions.export.card import Terms
from recap_assets.captions.export.choice import Choice
from recap_assets.captions.export.columns import check_styles
from recap_assets.captions.export.selection import Counts, Rules, select
from recap_assets.captions.export.shard import Shard, gather
from recap_assets.captions.export.target import check, target
from recap_assets.captions.recipe import Recipe
from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.project import Project
from recap_assets.stages import export_choice, held_out, images, inputs, pictures, recipes
from recap_assets.stages.memory import remembering
from recap_assets.stages.progress import tell
from recap_assets.stages.stage import NotReady

FORMATS = ("webdataset", "parquet", "kohya", "wide")


@dataclass(frozen=True)
class Request:
    """What is asked for.

    style, arm, epoch: which caption a picture is shown with: a style's, or what the arm draws.
    styles: the styles that are written; all where it is empty.
    held_out: whether pictures of the evaluation are exported too.
    extension: of kohya's text files.
    """

    format: str
    to: Path
    style: str | None = None
    arm: str | None = None
    epoch: int = 0
    styles: tuple[str, ...] = ()
    keep_failed: bool = False
    keep_duplicates: bool = False
    held_out: bool = False
    force: bool = False
    extension: str = ".txt"
    terms: Terms = Terms()


def export(project: Project, request: Request) -> Counts:
    """Write the export, whole or not at all, and say how many pictures are in it and why not more.

    Raises:
        UserError: if captions are not up to date, nothing is left to export, the target holds
            something, the request makes no sense, or the disk refuses.
    """
    if request.format not in FORMATS:
        raise UserError(f"--format {request.format!r}: unknown; choose one of {', '.join(FORMATS)}")
    suffix = kohya.extension(request.extension)
    check(request.to, request.force)
    try:
        with remembering():
            return _export(project, request, suffix)
    except NotReady as error:
        raise UserError(f"export: {error}; `recap run` brings everything up to date") from error


def _export(project: Project, request: Request, suffix: str) -> Counts:
    styles = export_choice.styles(project, request.styles)
    if request.format != "kohya":
        check_styles(styles)
    chosen = _choice(project, request, styles)
    how = {style: recipes.recipe(project, style) for style in styles}
    selection = select(_shards(project, chosen, how, "looking at"), _rules(project, request))
    about = About(
        format=request.format,
        recipes=how,
        counts=selection.counts,
        chosen=_told(request, chosen),
        simulated=inputs.is_simulated(project),
    )
    if not about.counts.exported:
        raise UserError(f"export: no picture is left ({_left_out(about.counts)}); nothing written")
    with target(request.to, request.force, about) as folder:
        shards = (selection.apply(one) for one in _shards(project, chosen, how, "exporting"))
        _write(project, request, folder, shards, about, suffix)
    return about.counts


def _choice(project: Project, request: Request, styles: list[str]) -> Choice:
    if request.arm is None:
        needed = request.format in ("webdataset", "kohya")
        return export_choice.of_style(request.style, styles, needed)
    if request.style is not None or request.held_out:
        raise UserError(
            "--arm: an arm draws its own captions and sees no held-out picture; leave --style and "
            "--include-held-out out"
        )
    return export_choice.of_arm(project, request.arm, request.epoch)


def _rules(project: Project, request: Request) -> Rules:
    return Rules(
        held_out=() if request.held_out else held_out.held_out(project),
        keep_failed=request.keep_failed,
        keep_duplicates=request.keep_duplicates,
    )


def _shards(
    project: Project, chosen: Choice, how: Mapping[str, Recipe], doing: str
) -> Iterator[Shard]:
    """Every shard by name, one in memory at a time."""
    keys = sorted(inputs.shards(project))
    for number, key in enumerate(keys):
        tell(number, len(keys), f"{doing} shard {key}")
        yield chosen.apply(_shard(project, key, how))


def _shard(project: Project, key: str, how: Mapping[str, Recipe]) -> Shard:
    stored: dict[str, pl.DataFrame] = {}
    for style, recipe in how.items():
        rows = recipes.store(project).read(recipe, key)
        if rows is None:
            raise NotReady(f"recaptions[{key}] has no rows of style {style!r}")
        stored[style] = rows
    return gather(key, images.frame(project, key), stored, how)


def _write(
    project: Project,
    request: Request,
    folder: Path,
    shards: Iterator[Shard],
    about: About,
    suffix: str,
) -> None:
    read, styles = partial(pictures.encoded, project), list(about.recipes)
    chosen = about.chosen is not None
    match request.format:
        case "webdataset":
            webdataset.write(folder, shards, read, about)
        case "kohya":
            kohya.write(folder, shards, read, suffix)
        case "wide":
            wide.write(folder, shards, styles, chosen=chosen)
        case "parquet":
            columns = parquet.write(folder, shards, read, styles, chosen=chosen)
            atomic.write_text(folder / "README.md", card.text(about, columns, request.terms))


def _told(request: Request, chosen: Choice) -> str | None:
    if request.arm is not None:
        return f"drawn by arm {request.arm} in epoch {request.epoch}"
    return None if chosen.style is None else f"of style {chosen.style}"


def _left_out(counts: Counts) -> str:
    left = {
        "cannot be used": counts.unusable,
        "held out": counts.held_out,
        **counts.failed,
    }
    return ", ".join(f"{n} {reason}" for reason, n in left.items() if n) or "there is none"
