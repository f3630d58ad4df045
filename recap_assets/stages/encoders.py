"""The text encoders that captions are counted for: how, to what limit, and which they are."""

from __future__ import annotations

from typing import TypedDict

from recap_assets.captions.tokens import TokenCounter, counter, counting
from recap_assets.experiment.fingerprint import digest, model_digest
from recap_assets.experiment.project import Project
from recap_assets.stages import t2i_base
from recap_assets.stages.memory import remembered


class Counters(TypedDict):
    """What `captions.rows.Stamp` counts with; None where no such encoder is named."""

    count_clip: TokenCounter
    count_t5: TokenCounter | None


def counters(project: Project) -> Counters:
    """The counter of each encoder.

    Raises:
        UserError: if a tokenizer cannot be loaded.
    """
    t5 = project.config.encoders.t5
    return {
        "count_clip": counting(t2i_base.words(project)),
        "count_t5": None if t5 is None else counter(project.model(t5.model), t5.revision),
    }


def limits(project: Project) -> dict[str, int]:
    """The most tokens that fit, by the column that holds the counts. Raises as `counters`."""
    t5 = project.config.encoders.t5
    found = {"n_tokens_clip": int(t2i_base.words(project).model_max_length)}
    return found if t5 is None else {**found, "n_tokens_t5": t5.limit}


@remembered
def version(project: Project) -> str:
    """64 hex digits of the tokenizers: rows counted under another version are to be recounted."""
    t5 = project.config.encoders.t5
    model = None if t5 is None else project.model(t5.model)
    return digest(
        [
            t2i_base.words_version(project),
            None if model is None or t5 is None else model_digest(model, t5.revision),
        ]
    )
