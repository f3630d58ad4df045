"""A human set of the four walls, as `tune` takes it."""

from __future__ import annotations

import polars as pl

from recap_assets_tests.captioning.pictures import CAPTIONS, PREFIXES, png, walls


def human() -> pl.DataFrame:
    """The walls with both captions; every picture is in both splits, so that learning it shows."""
    pictures = [png(picture) for picture in walls()]
    return pl.DataFrame(
        [
            {
                "uid": f"u{i}",
                "style": style,
                "prompt": PREFIXES[style],
                "caption": text,
                "split": split,
                "image": pictures[i],
            }
            for style, texts in CAPTIONS.items()
            for i, text in enumerate(texts)
            for split in ("train", "validation")
        ]
    )


def misleading() -> pl.DataFrame:
    """Validation captions are of the next wall: what is learnt of pictures does harm there."""
    frame = human()
    following = {f"u{i}": f"u{(i + 1) % 4}" for i in range(4)}
    held_out = pl.col("split") == "validation"
    return pl.concat(
        [
            frame.filter(~held_out),
            frame.filter(held_out)
            .with_columns(pl.col("uid").replace(following))
            .drop("image")
            .join(frame.select("uid", "image").unique(), on="uid")
            .select(frame.columns),
        ]
    )
