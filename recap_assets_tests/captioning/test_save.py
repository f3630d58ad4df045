from __future__ import annotations

import json
from pathlib import Path

import pytest

from recap_assets.captioning.card import readme
from recap_assets.captioning.save import save
from recap_assets_tests.captioning.pictures import small
from recap_assets_tests.captioning.test_card import CARD


def test_card_tells_what_recap_json_keeps(tmp_path: Path) -> None:
    save(small(), tmp_path / "model", CARD)
    assert json.loads((tmp_path / "model" / "recap.json").read_text(encoding="utf-8")) == CARD
    text = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert text == readme(CARD)


def test_a_failure_leaves_the_old_folder(tmp_path: Path) -> None:
    save(small(0), tmp_path / "model", {"title": "old"})
    with pytest.raises(TypeError):
        save(small(1), tmp_path / "model", {"title": "new", "bad": object()})
    assert json.loads((tmp_path / "model" / "recap.json").read_text(encoding="utf-8")) == {
        "title": "old"
    }
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
