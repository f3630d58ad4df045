"""The stages in the order in which data flows, and what each one reads."""

from __future__ import annotations

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.nearest import did_you_mean
from recap_assets.stages import (
    audit,
    captioner,
    checkpoint,
    human,
    images,
    latents,
    manifest,
    metrics,
    recaptions,
    reference,
    report,
    samples,
    table,
)
from recap_assets.stages.stage import Stage

STAGES: dict[str, Stage] = {
    module.STAGE.name: module.STAGE
    for module in (
        images,
        human,
        captioner,
        recaptions,
        manifest,
        audit,
        latents,
        checkpoint,
        samples,
        reference,
        metrics,
        table,
        report,
    )
}


def select(names: str | None) -> list[Stage]:
    """The stages that a comma-separated selection names, in the graph's order; all without one.

    Raises:
        UserError: if there is no such stage.
    """
    if names is None:
        return list(STAGES.values())
    asked = [name.strip() for name in names.split(",") if name.strip()]
    for name in asked:
        if name not in STAGES:
            raise UserError(
                f"asset {name!r}: there is none{did_you_mean(name, list(STAGES))}; "
                f"the assets are {', '.join(STAGES)}"
            )
    return [stage for name, stage in STAGES.items() if name in asked]
