"""People's captions shared out: some to tune the captioner on, others held out as prompts."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from recap_assets.captions.human import read_human
from recap_assets.experiment.config import Human
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import seed
from recap_assets.images.shard import Shard
from recap_assets.stages.init_places import LEAST, HumanPlaces
from recap_assets.stages.init_survey import Survey

FOLDER = "prompts"
PROMPTS = 32
TUNED_ON = 100
VALIDATION = 0.1
SEED = Human().seed


@dataclass(frozen=True)
class HeldOut:
    """A picture that no arm and no captioner is trained on, and what people said of it."""

    id: str
    prompt: str
    style: str
    uid: str
    extension: str
    data: bytes

    def record(self) -> dict[str, str]:
        """Its line of the prompt set."""
        return {
            "id": self.id,
            "prompt": self.prompt,
            "style": self.style,
            "image": f"{FOLDER}/{self.uid}.{self.extension}",
        }


@dataclass(frozen=True)
class People:
    """How human captions are used: read from `shards`, `images` pictures to tune on, prompts."""

    captions: dict[str, str]
    shards: Sequence[Shard]
    images: int
    prompts: list[HeldOut]


def share_out(survey: Survey, human: HumanPlaces) -> People:
    """At most half of the captioned pictures, and 100, go to tuning; up to 32 others are prompts.

    The tuning set is the one that `read_human` picks, so that the two never meet. Only as many
    files are read as it takes, by what the survey saw.

    Raises:
        UserError: if there are too few pictures with captions to do both.
    """
    shards = _enough(survey, human)

    def pick(images: int) -> pl.DataFrame:
        return read_human(shards, human.places, images, VALIDATION, SEED).frame

    pool = pick(2 * TUNED_ON)
    usable = pool["uid"].n_unique()
    if usable < LEAST:
        raise UserError(
            f"human captions: {usable} usable pictures, {LEAST} needed to tune on some and to ask "
            "for others; write more"
        )
    images = usable // 2
    tuned_on = pick(images)["uid"].unique()
    free = pool.filter(~pl.col("uid").is_in(tuned_on.to_list()))
    return People(human.places, shards, images, _prompts(free, list(human.places)))


def _enough(survey: Survey, human: HumanPlaces) -> Sequence[Shard]:
    """The first shards seen that hold what is wanted, if the survey's shares hold for them.

    A folder has no shards that could be named, so all of it counts.
    """
    if survey.source in ("imagefolder", "coco"):
        return survey.shards
    a_shard = max(1, human.samples // len(survey.seen))
    return survey.seen[: -(-2 * TUNED_ON // a_shard)]


def _prompts(free: pl.DataFrame, styles: list[str]) -> list[HeldOut]:
    """The first pictures by a hash, asking for the styles in turn."""
    uids = sorted(free["uid"].unique(), key=lambda uid: seed("prompts", SEED, uid))[:PROMPTS]
    rows = {(row["uid"], row["style"]): row for row in free.iter_rows(named=True)}
    chosen = [(uid, styles[number % len(styles)]) for number, uid in enumerate(uids)]
    return [
        HeldOut(
            id=f"p{number:04d}",
            prompt=rows[key]["caption"],
            style=key[1],
            uid=key[0],
            extension=_extension(rows[key]["image"]),
            data=rows[key]["image"],
        )
        for number, key in enumerate(chosen, start=1)
    ]


def _extension(data: bytes) -> str:
    """What the bytes are, whatever their member was called."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        form = (image.format or "").lower()
    return {"jpeg": "jpg", "mpo": "jpg", "tiff": "tif"}.get(form, form)
