"""The question after a misspelt name."""

from __future__ import annotations

import pytest

from recap_assets.experiment.nearest import did_you_mean


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("stlyes", " (did you mean 'styles'?)"),
        ("Styles", " (did you mean 'styles'?)"),
        ("t2I", " (did you mean 'T2I'?)"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_the_nearest_name_is_asked_for(name: str, hint: str) -> None:
    assert did_you_mean(name, ["styles", "T2I", "captioners"]) == hint


def test_nothing_is_near_when_nothing_is_known() -> None:
    assert did_you_mean("styles", []) == ""
