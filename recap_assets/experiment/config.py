"""The sections of recap.yaml: every setting, its type, its default and its bounds.

Whatever may be null is null by default, so that `key: null` over a preset always means "as if
nobody had said it".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from recap_assets.experiment.captioner_settings import Captioner, Style
from recap_assets.experiment.checks import problems
from recap_assets.experiment.mix_presets import with_named_mixes
from recap_assets.experiment.section import (
    Count,
    NotNegative,
    Section,
    Share,
    ShareBelowOne,
    Text,
    Whole,
    several,
)
from recap_assets.experiment.t2i_settings import T2I, Arm

Metric = Literal["soa_c", "soa_i", "ca", "pa_geo", "exact_scene", "fid"]
Source = Literal["webdataset", "imagefolder", "parquet", "coco"]
Gate = Literal[
    "decode_error_rate",
    "caption_error_rate",
    "not_utf8_share",
    "over_limit_share",
    "repeated_caption_share",
    "lost_words",
]

Urls = Annotated[tuple[Text, ...], Field(min_length=1), BeforeValidator(several)]


class World(Section):
    """The drawn world of the scenes preset."""

    seed: Whole = 0
    shards: Count = 8
    images_per_shard: Count = 300
    size: Annotated[int, Field(ge=16, multiple_of=8)] = 64
    alt_noise: Share = 0.7
    human_images: Count = 100
    prompts: Count = 256


class Table(Section):
    """Parquet of text and address beside downloaded tars: it fills what samples lack.

    Rows are found by key, uid, sha256 or url. A file named as a tar is read for that tar alone.
    `caption` and `url` are columns, whatever the case; null means those with a usual name.
    """

    urls: Urls
    caption: Text | None = None
    url: Text | None = None


class Dataset(Section):
    """Where the pictures are and where a sample has its alt-text and its address.

    `caption` and `url` are a member's extension ("txt"), a field of its JSON ("json.alt") or a
    column of the table that the format has (metadata.jsonl, Parquet columns, COCO's `caption`).

    source: what `urls` name: tars, Parquet files with pictures, one folder, or one COCO JSON.
    image: the column with the pictures of Parquet files; null finds it.
    images: the folder of the pictures of a COCO JSON.
    buckets: how many shards a folder is cut into, by a hash of each path; another number is
        another data set.
    lines: each line of a text member is a caption; alt-text is the first, `extra` has all.
    near_duplicates: the most bits in which the difference hashes of pictures may differ that count
        as the same where pictures are held out; null computes none.
    """

    source: Source = "webdataset"
    urls: Urls
    caption: Text = "txt"
    url: Text | None = None
    max_pixels: Count = 89_478_485
    table: Table | None = None
    image: Text | None = None
    images: Text | None = None
    buckets: Annotated[int, Field(ge=1, le=99_999)] = 16
    lines: bool = False
    near_duplicates: Annotated[int, Field(ge=0, le=16)] | None = None


class Human(Section):
    """The captions people wrote: `captions` says per style which member, field or column has them.

    Without `urls` they are looked for in the data set itself; `source` is their format, by default
    that of the data set.
    """

    urls: Urls | None = None
    source: Source | None = None
    captions: dict[str, Text] = {}
    images: Count = 100
    validation: ShareBelowOne = 0.1
    seed: Whole = 0


class Evaluation(Section):
    """What is measured, on which prompts and by which models."""

    prompts: Text | None = None
    metrics: Annotated[tuple[Metric, ...], BeforeValidator(several)] = ()
    detector: Text | None = None
    threshold: Share = 0.5
    extractor: Text | None = None
    lexicon: Text | None = None
    images_per_prompt: Count = 1
    sampler_steps: Count = 20
    guidance: NotNegative = 4.0
    batch: Count = 64
    seed: Whole = 0
    bootstrap: Count = 2000


class Encoder(Section):
    """A text encoder to count tokens for: where its tokenizer is, and the most tokens it reads."""

    model: Text
    revision: Text | None = None
    limit: Count


class Encoders(Section):
    """The text encoders that captions are counted for, beside the text-to-image model's own.

    That one is always counted, as `clip`, since training goes by it.
    """

    t5: Encoder | None = None


class Gates(Section):
    """What a shard may have at most before its check fails; `hard` names those that stop training.

    decode_error_rate, caption_error_rate: shares of pictures and captions that failed.
    not_utf8_share: of alt-text that was not UTF-8.
    over_limit_share: of a style's captions that a text encoder cuts.
    repeated_caption_share: of a style's captions that are its most frequent one.
    lost_words: how much of the number or place words in people's captions of a style is missing.
    """

    decode_error_rate: Share = 0.05
    caption_error_rate: Share = 0.1
    not_utf8_share: Share = 0.05
    over_limit_share: Share = 0.05
    repeated_caption_share: Share = 0.2
    lost_words: Share = 0.5
    hard: Annotated[tuple[Gate, ...], BeforeValidator(several)] = (
        "decode_error_rate",
        "caption_error_rate",
    )


class Schedule(Section):
    """When new shards are looked for, and how many are started at once."""

    cron: Text = "0 2 * * *"
    shards_per_tick: Count = 50


class Config(Section):
    """A whole recap.yaml after its presets are merged in."""

    root: Text = "data/store"
    world: World | None = None
    dataset: Dataset
    human: Human = Human()
    styles: dict[str, Style] = {}
    captioners: dict[str, Captioner] = {}
    t2i: T2I = T2I()
    encoders: Encoders = Encoders()
    arms: dict[str, Arm] = {}
    evaluation: Evaluation = Evaluation()
    gates: Gates = Gates()
    schedule: Schedule = Schedule()

    @model_validator(mode="before")
    @classmethod
    def _named_mixes(cls, settings: Any) -> Any:
        """Names of mixes become the weights that they stand for, so that both have one digest."""
        return with_named_mixes(settings)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for problem in problems(self):
            raise ValueError(problem)
        return self
