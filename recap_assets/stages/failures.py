"""Failed partitions, kept below the root until they are built: `recap status` tells the reason."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from recap_assets.experiment import atomic
from recap_assets.experiment.project import Project
from recap_assets.stages.stage import Key


def record(project: Project, asset: str, key: Key, reason: str) -> None:
    """Remember why a partition could not be built."""
    atomic.write_json(_path(project, asset, key), {"reason": reason})


def clear(project: Project, asset: str, key: Key) -> None:
    """Forget a failure, for the partition is built."""
    _path(project, asset, key).unlink(missing_ok=True)


def reason(project: Project, asset: str, key: Key) -> str | None:
    """Why the partition failed last, or None."""
    path = _path(project, asset, key)
    return json.loads(path.read_text(encoding="utf-8"))["reason"] if path.exists() else None


def _path(project: Project, asset: str, key: Key) -> Path:
    # Dagster hands over any key that was ever registered: it must not lead out of the folder.
    return project.root / "failures" / asset / f"{quote(key or 'all', safe='')}.json"
