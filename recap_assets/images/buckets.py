"""A folder cut into shards by a hash of each picture's path, so that a new one moves no other."""

from __future__ import annotations

import hashlib


def bucket(name: str, buckets: int) -> int:
    """Which of `buckets` shards the picture with this path below the folder belongs to."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % buckets


def key(number: int, buckets: int) -> str:
    """The shard's key, such as 00003-of-00016; another number of buckets gives other keys."""
    return f"{number:05d}-of-{buckets:05d}"
