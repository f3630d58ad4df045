"""Puts questions about a shard's pictures to a captioner of the project, wherever it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recap_assets.captioning.question import Question, Source
from recap_assets.captions.generated import Generated
from recap_assets.experiment.project import Project
from recap_assets.stages import captioner
from recap_assets.stages.stage import NotReady


def answers(
    project: Project,
    name: str,
    step: int | None,
    source: Source,
    total: int,
    questions: Sequence[Question],
) -> Iterator[tuple[int, dict[str, list[Generated]]]]:
    """Batch by batch, the place of its first picture and what the captioner wrote, by style.

    step: the captioner after so many steps of tuning; None is as it came out.

    Raises:
        NotReady: if the captioner is not tuned as it should be.
    """
    settings = captioner.settings(project, name)
    if settings.endpoint is not None:
        from recap_assets.captioning.endpoint import batches as served

        return served.batches(settings, source, total, questions, settings.batch)

    from recap_assets.captioning.generate import batches

    version = captioner.wanted(project, name)
    if not captioner.made(project, name, version):
        raise NotReady(f"captioner[{name}] is not tuned as it should be now")
    model = captioner.loaded(project, name, version, step)
    return batches(model, source, total, questions, settings.batch)
