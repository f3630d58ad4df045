"""What pictures truly show, where the data set says so: `scene.objects[].label` of the JSON."""

from __future__ import annotations

import json

import polars as pl


def labels(extra: str) -> set[str] | None:
    """The labels in a sample's JSON, or None where it does not list its objects."""
    told = json.loads(extra)
    scene = told.get("scene") if isinstance(told, dict) else None
    objects = scene.get("objects") if isinstance(scene, dict) else None
    if not isinstance(objects, list):
        return None
    return {o["label"] for o in objects if isinstance(o, dict) and isinstance(o.get("label"), str)}


def by_uid(index: pl.DataFrame) -> dict[str, set[str]]:
    """The labels of every picture of an index that lists them."""
    found = ((uid, labels(extra)) for uid, extra in index.select("uid", "extra").iter_rows())
    return {uid: known for uid, known in found if known is not None}
