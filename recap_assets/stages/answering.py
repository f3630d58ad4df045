"""Puts questions about a shard's pictures to a captioner of the project, wherever it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recap_assets.captioning.question import Question, Source
from recap_assets.captions.rows import Generated
from recap_assets.experiment.project import Project
from recap_assets.stages import captioner
from recap_assets.stages.stage import NotReady

Answers = Iterator[tuple[int, dict[str, list[Generated]]]]


def answers(
    project: Project,
    name: str,
    step: int | None,
    source: Source,
    total: int,
    questions: Sequence[Question],
) -> Answers:
    """Batch by batch, the place of its first picture and what the captioner wrote, by style.

    Raises:
        NotReady: if the captioner is not tuned as it should be.
    """
    from recap_assets.captioning.generate import batches
    from recap_assets.captioning.load import load

    version = captioner.wanted(project, name)
    if not captioner.made(project, name, version):
        raise NotReady(f"captioner[{name}] is not tuned as it should be now")
    settings = captioner.settings(project, name)
    model = load(captioner.folder(project, name, version), settings)
    for start, made in batches(model, source, total, questions, settings.batch):
        yield (
            start,
            {
                style: [Generated(one.text, one.finished, one.error) for one in rows]
                for style, rows in made.items()
            },
        )
