"""What a captioner learns from people: their captions, what it is asked for each, what is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from recap_assets.captions.content import content_digest
from recap_assets.evaluation.chair import faithfulness
from recap_assets.experiment import template
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.keys import ALT
from recap_assets.experiment.project import Project
from recap_assets.stages import human, inputs, truth
from recap_assets.stages.memory import remembered

if TYPE_CHECKING:
    from recap_assets.captioning.validate import Judge


def prompts(project: Project, name: str) -> dict[str, str]:
    """The prompt of each style that this captioner learns from people, as recap.yaml has it."""
    return {
        style: project.config.styles[style].prompt
        for style in project.config.human.captions
        if project.config.styles[style].captioner == name
    }


@remembered
def contents(project: Project, name: str) -> dict[str, str]:
    """By style what identifies the captions, and the prompts where they differ by picture."""
    found = {style: human.content(project, style) for style in prompts(project, name)}
    if any(template.fields(prompt) for prompt in prompts(project, name).values()):
        found["prompts"] = content_digest(rows(project, name), ("uid", "style", "prompt"))
    return found


def rows(project: Project, name: str) -> pl.DataFrame:
    """The human captions of a captioner's styles, and in `prompt` what it is asked to write each.

    A prompt that quotes another style quotes what people wrote in it of the same picture.
    """
    asked = prompts(project, name)
    quoted = {field for prompt in asked.values() for field in template.fields(prompt)} - {ALT}
    frame = human.frame(project, list(dict.fromkeys([*asked, *sorted(quoted)])))
    said: dict[str, dict[str, str]] = {}
    for uid, style, caption, alt in frame.select("uid", "style", "caption", "alt").iter_rows():
        said.setdefault(uid, {ALT: alt})[style] = caption
    mine = frame.filter(pl.col("style").is_in(list(asked)))
    filled = [
        _filled(style, asked[style], said[uid], uid)
        for uid, style in mine.select("uid", "style").iter_rows()
    ]
    return mine.with_columns(prompt=pl.Series(filled, dtype=pl.String))


def _filled(style: str, prompt: str, said: Mapping[str, str], uid: str) -> str:
    for field in template.fields(prompt):
        if field not in said:
            raise UserError(
                f"human caption of {uid} in style {style!r}: its prompt quotes {field!r}, which "
                "nobody wrote of this picture; write it, or leave the picture out"
            )
    return template.fill(prompt, said)


def judge(project: Project, human_rows: pl.DataFrame) -> Judge | None:
    """Object recall and CHAIR of captions, where the project says what is in the pictures."""
    lexicon = inputs.lexicon(project)
    known = truth.by_uid(human_rows)
    if lexicon is None or not set(human_rows["uid"]) <= set(known):
        return None

    def judged(uids: Sequence[str], captions: Sequence[str]) -> Mapping[str, float | None]:
        found = faithfulness(captions, [known[uid] for uid in uids], lexicon)
        return {"recall": found.recall, "chair_i": found.chair_i}

    return judged
