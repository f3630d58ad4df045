"""Which styles an export has, and which caption it shows a picture with."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from recap_assets.captions.export.choice import Choice
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.keys import ALT
from recap_assets.experiment.nearest import did_you_mean
from recap_assets.experiment.project import Project
from recap_assets.stages import arm_captions, manifest


def styles(project: Project, asked: Sequence[str]) -> list[str]:
    """The asked styles in the project's order, or all.

    Raises:
        UserError: if the project has no such style.
    """
    known = project.style_names()
    for style in asked:
        _check(style, known)
    return [style for style in known if not asked or style in asked]


def of_style(style: str | None, among: list[str], needed: bool) -> Choice:
    """The captions of `style`; without one, of the only generated style where one is `needed`.

    Raises:
        UserError: if `style` is none of `among`, or it takes a person to choose.
    """
    if style is not None:
        _check(style, among)
        return Choice(style=style)
    if not needed:
        return Choice()
    generated = [name for name in among if name != ALT] or among
    if len(generated) > 1:
        raise UserError(
            f"export: this format shows one caption a picture; choose with --style one of "
            f"{', '.join(among)}, or an arm's mix with --arm"
        )
    return Choice(style=generated[0])


def of_arm(project: Project, key: str, epoch: int) -> Choice:
    """The captions that the arm shows in an epoch.

    Raises:
        UserError: if there is no such arm.
        NotReady: if a caption set of its mix is not built.
    """
    styles = arm_captions.arm(project, key).arm.styles
    uids = sorted({uid for style in styles for uid in manifest.frame(project, style)["uid"]})
    shown = arm_captions.shown(project, key)(uids, epoch)
    drawn = {"uid": shown.uids, "style": shown.styles, "caption": shown.captions}
    return Choice(drawn=pl.DataFrame(drawn, schema=dict.fromkeys(drawn, pl.String())))


def _check(style: str, known: list[str]) -> None:
    if style not in known:
        raise UserError(
            f"style {style!r}: is none of those exported{did_you_mean(style, known)}; choose of "
            f"{', '.join(known)}"
        )
