"""Names under which pictures are written: they stay below their folder on every system."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from recap_assets.images.tars import split_name, unsafe_name

_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\\ud800-\udfff]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_META = re.compile(r"__.*__")
#: Bytes; file systems allow 255, and an extension comes after it.
_LONGEST = 200


def safe_key(key: str, *, dots: bool) -> str:
    """`key` as a relative path of one or more parts joined by "/", the same wherever it may be.

    A part that some system would refuse or take for something else (`..`, `a:b`, `CON`, an empty
    one) is changed; one of more than 200 bytes is cut and ends in a digest. With `dots` the last
    part may have dots inside; the others never do, so that no folder has the name of a file.
    """
    *folders, last = key.split("/")
    parts = [_part(part, dots=False) for part in folders if part not in ("", ".")]
    return "/".join([*parts, _part(last, dots=dots)])


def tar_key(key: str) -> str:
    """`key` if a reader of a tar finds the same key again, else `safe_key` of it."""
    name = f"{key}.txt"
    kept = split_name(name) == (key, "txt") and not unsafe_name(name)
    return key if kept else safe_key(key, dots=False)


class Names:
    """Gives out each name once; with `folded`, also where case and forms of accents do not count.

    So it is on the disks of many systems, and not in tars.
    """

    def __init__(self, *, folded: bool) -> None:
        self._taken: set[str] = set()
        self._folded = folded

    def take(self, name: str, uid: str) -> str:
        """`name`, or where it is taken the same with the first digits of `uid`, or a number too."""
        found, number = name, 1
        while self._form(found) in self._taken:
            found = f"{name}_{uid[:8]}" if number == 1 else f"{name}_{uid[:8]}_{number}"
            number += 1
        self._taken.add(self._form(found))
        return found

    def _form(self, name: str) -> str:
        # Folding may undo the form, so it is taken before and after.
        form = unicodedata.normalize("NFC", name) if self._folded else name
        return unicodedata.normalize("NFC", form.casefold()) if self._folded else form


def _part(part: str, *, dots: bool) -> str:
    safe = _UNSAFE.sub("_", part)
    # Windows drops dots and spaces at the end; a name that starts with a dot is hidden.
    safe = re.sub(r"^[. ]+|[. ]+$", lambda found: "_" * len(found[0]), safe)
    if not dots:
        safe = safe.replace(".", "_")
    if _RESERVED.fullmatch(safe) or _META.match(safe) or not safe:
        safe = f"x{safe}"
    return safe if len(safe.encode("utf-8")) <= _LONGEST else _cut(safe)


def _cut(part: str) -> str:
    mark = hashlib.sha256(part.encode("utf-8")).hexdigest()[:8]
    return part.encode("utf-8")[: _LONGEST - 9].decode("utf-8", "ignore") + "_" + mark
