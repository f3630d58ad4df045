"""Paths below a folder that lead nowhere else, whatever a name or a link says."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from recap_assets.images.tars import unsafe_name


def refusal(root: Path, name: str) -> str | None:
    """Why the file that `name` (with forward slashes) means below `root` is not read, or None."""
    unsafe = unsafe_name(name)
    if unsafe or "\0" in name:
        return unsafe or "name with a zero byte"
    if any(part.startswith(".") for part in PurePosixPath(name).parts):
        return "hidden file"
    path = root / name
    try:
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
            return "link that leaves the folder"
        kind = path.stat().st_mode
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if stat.S_ISREG(kind) else "no regular file"
