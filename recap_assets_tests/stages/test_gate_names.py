"""Every gate has a limit, a check that enforces it, and a line in the guide."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from recap_assets.experiment.config import Gate, Gates
from recap_assets.stages import caption_checks, images


def test_gates_checks_and_guide_name_the_same() -> None:
    names = set(get_args(Gate))
    assert names == set(Gates.model_fields) - {"hard"}
    assert names == {*images.GATES, *caption_checks.GATES}
    guide = (Path(__file__).parents[2] / "docs" / "quality.md").read_text(encoding="utf-8")
    for name, field in Gates.model_fields.items():
        assert name == "hard" or f"| `{name}` " in guide and f"| {field.default} |" in guide
