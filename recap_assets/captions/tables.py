"""The columns of the tables beside images and captions: checkpoints, samples, metrics."""

from __future__ import annotations

import polars as pl

# checkpoints/<weights>/<digest>/row.parquet, one row. mix: JSON of style to weight. caption_set:
# the content digests trained on. steps: how many the weights were trained for. images: pictures
# shown to the model. path: the checkpoint's folder.
CHECKPOINTS = pl.Schema(
    {
        "arm": pl.String(),
        "seed": pl.Int64(),
        "digest": pl.String(),
        "base_digest": pl.String(),
        "mix": pl.String(),
        "train": pl.String(),
        "caption_set": pl.String(),
        "steps": pl.Int64(),
        "images": pl.Int64(),
        "dropped_over_limit": pl.Int64(),
        "final_loss": pl.Float64(),
        "path": pl.String(),
    }
)

# samples/<row>/<digest>/samples.parquet, one row per picture. sample: its number under the prompt.
# step: how many the weights were trained for, null for `base` and `real`.
SAMPLES = pl.Schema(
    {
        "arm": pl.String(),
        "digest": pl.String(),
        "prompt_id": pl.String(),
        "sample": pl.Int64(),
        "prompt": pl.String(),
        "seed": pl.Int64(),
        "path": pl.String(),
        "step": pl.Int64(),
    }
)

# tables/metrics.parquet. ci_low, ci_high: the bounds of the interval. n: what `value` is the mean
# over. steps: of the sampler. step: how many the weights were trained for.
METRICS = pl.Schema(
    {
        "arm": pl.String(),
        "metric": pl.String(),
        "value": pl.Float64(),
        "ci_low": pl.Float64(),
        "ci_high": pl.Float64(),
        "n": pl.Int64(),
        "seed": pl.Int64(),
        "prompt_set": pl.String(),
        "caption_set": pl.String(),
        "extractor": pl.String(),
        "extractor_revision": pl.String(),
        "sampler": pl.String(),
        "steps": pl.Int64(),
        "cfg": pl.Float64(),
        "checkpoint": pl.String(),
        "mix": pl.String(),
        "step": pl.Int64(),
    }
)
