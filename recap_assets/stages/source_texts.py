"""The several texts that a source has of a picture, as COCO's five captions or a file's lines."""

from __future__ import annotations

import json

import polars as pl

from recap_assets.captions.content import content_digest
from recap_assets.captions.status import clean
from recap_assets.experiment.keys import ALT
from recap_assets.experiment.project import Project
from recap_assets.stages import held_out, images, inputs
from recap_assets.stages.memory import remembered

#: The entry of a mix that draws from them.
ANY = f"{ALT}:any"


def frame(project: Project) -> pl.DataFrame:
    """(uid, texts) of the pictures that arms may train on and that have a text, sorted by uid.

    A picture with one text has a list of one. Of a picture in several shards the first counts.

    Raises:
        NotReady: if a shard is not indexed as it is now.
    """
    held = {sha256[:32] for sha256 in held_out.held_out(project)}
    found: dict[str, list[str]] = {}
    for shard in sorted(inputs.shards(project)):
        rows = images.usable(project, shard).select("uid", "alt", "extra")
        for uid, alt, extra in rows.iter_rows():
            texts = _texts(alt or "", extra)
            if texts and uid not in held:
                found.setdefault(uid, texts)
    schema = {"uid": pl.String(), "texts": pl.List(pl.String())}
    return pl.DataFrame(sorted(found.items()), schema=schema, orient="row")


@remembered
def content(project: Project) -> str:
    """64 hex digits over all of them. Raises as `frame`."""
    told = frame(project).with_columns(texts=pl.col("texts").map_elements(_json, pl.String))
    return content_digest(told, ("uid", "texts"))


def _texts(alt: str, extra: str) -> list[str]:
    """Each text once, cleaned; the alt-text is the first of them."""
    told = json.loads(extra).get("captions")
    several = [text for text in told if isinstance(text, str)] if isinstance(told, list) else []
    return [text for text in dict.fromkeys(map(clean, [alt, *several])) if text]


def _json(texts: pl.Series) -> str:
    return json.dumps(texts.to_list())
