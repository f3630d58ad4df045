from __future__ import annotations

import polars as pl
import pytest

from recap_assets.captions import schema
from recap_assets.captions.tables import CHECKPOINTS, METRICS, SAMPLES

FROZEN = """
uid String, shard String, source_key String, url String, image_sha256 String, style String,
caption String, status String, error String, model_id String, model_revision String,
adapter_sha String, prompt_id String, prompt_sha String, sampling String, seed Int64,
code_version String, row_key String, n_chars Int32, n_words Int32, n_tokens_clip Int32,
n_tokens_t5 Int32, created_at Datetime(time_unit='us', time_zone='UTC'), run_id String
"""


def spelled(columns: pl.Schema) -> list[str]:
    return [f"{name} {dtype}" for name, dtype in columns.items()]


def test_the_columns_of_a_caption_row_are_frozen() -> None:
    frozen = " ".join(FROZEN.split()).replace("', time_zone", "'; time_zone").split(", ")
    assert spelled(schema.CAPTIONS) == [part.replace(";", ",") for part in frozen]


def test_the_statuses_are_frozen() -> None:
    assert schema.STATUSES == ("ok", "truncated", "empty", "refused", "looped", "error")


def test_the_metric_columns_are_frozen() -> None:
    assert spelled(METRICS) == [
        "arm String",
        "metric String",
        "value Float64",
        "ci_low Float64",
        "ci_high Float64",
        "n Int64",
        "seed Int64",
        "prompt_set String",
        "caption_set String",
        "extractor String",
        "extractor_revision String",
        "sampler String",
        "steps Int64",
        "cfg Float64",
        "checkpoint String",
        "mix String",
        "step Int64",
    ]


def test_the_checkpoint_and_sample_columns_are_frozen() -> None:
    assert " ".join(CHECKPOINTS) == (
        "arm seed digest base_digest mix train caption_set steps images dropped_over_limit "
        "final_loss path"
    )
    assert " ".join(SAMPLES) == "arm digest prompt_id sample prompt seed path step"


def test_an_empty_frame_conforms() -> None:
    assert schema.empty().schema == schema.CAPTIONS
    assert schema.conform(schema.empty()).equals(schema.empty())


def test_conform_refuses_a_frame_without_a_column() -> None:
    with pytest.raises(pl.exceptions.PolarsError):
        schema.conform(schema.empty().drop("row_key"))
