"""Laying one settings tree over another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`: mappings merge key by key, null deletes the key, the rest replaces.

    >>> merge({"a": {"x": 1, "y": 2}, "b": [1]}, {"a": {"x": 3, "y": None}, "b": [2]})
    {'a': {'x': 3}, 'b': [2]}
    """
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            below = merged.get(key)
            merged[key] = merge(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged
