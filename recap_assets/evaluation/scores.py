"""Scores of single samples: what the metrics are means of, kept so that arms can be paired over
prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from recap_assets.evaluation.counting import ca, exact_counts, extra_objects
from recap_assets.evaluation.detect import Detection
from recap_assets.evaluation.exact import exact_scene
from recap_assets.evaluation.position import holding
from recap_assets.evaluation.prompts import Prompt
from recap_assets.evaluation.soa import hits
from recap_assets.experiment.errors import UserError

SCHEMA: dict[str, pl.DataType] = {
    "arm": pl.String(),
    "prompt_id": pl.String(),
    "sample": pl.Int32(),
    "metric": pl.String(),
    "label": pl.String(),
    "value": pl.Float64(),
}


def score(
    arm: str,
    prompts: Sequence[Prompt],
    detections: Sequence[Sequence[Sequence[Detection]]],
) -> pl.DataFrame:
    """Scores of one arm in the long form of `SCHEMA`; `detections` is indexed [prompt][sample].

    | metric | label | value |
    |---|---|---|
    | soa | class | 1 if the class is in the picture, else 0 |
    | count_accuracy | class | 1 if its count is exact, else 0 |
    | ca | | counting error in objects |
    | extra_objects | | objects of classes not asked for |
    | pa_geo | direction | 1 if the relation holds, else 0; a row for each relation |
    | exact_scene | | 1 if the whole scene is as asked, else 0 |

    A prompt without objects gives no rows.

    Raises:
        UserError: if a prompt has no sample: a metric would leave it out unseen.
    """
    if len(detections) != len(prompts):
        raise UserError(
            f"arm {arm}: samples of {len(detections)} prompts for a set of {len(prompts)}; "
            "sample the arm again"
        )
    rows = []
    for prompt, samples in zip(prompts, detections, strict=True):
        if not samples:
            raise UserError(
                f"arm {arm}: no sample of the prompt {prompt.id!r}; sample the arm again"
            )
        for number, found in enumerate(samples):
            for metric, label, value in _sample_scores(prompt, found):
                rows.append((arm, prompt.id, number, metric, label, float(value)))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _sample_scores(prompt: Prompt, found: Sequence[Detection]) -> Iterator[tuple[str, str, float]]:
    if not prompt.objects:
        return
    for label, hit in hits(prompt, found).items():
        yield "soa", label, hit
    for label, exact in exact_counts(prompt.objects, found).items():
        yield "count_accuracy", label, exact
    yield "ca", "", ca(prompt.objects, found)
    yield "extra_objects", "", extra_objects(prompt.objects, found)
    for direction, holds in holding(prompt, found):
        yield "pa_geo", direction, holds
    yield "exact_scene", "", exact_scene(prompt, found)
