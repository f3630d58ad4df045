from __future__ import annotations

import json
from pathlib import Path

import pytest

from recap_assets.captioning.save import readme, save
from recap_assets_tests.captioning.pictures import small

CARD = {
    "title": "Captioner recap",
    "note": "Fine-tuned on 90 captions.",
    "simulated": True,
    "base": "base:captioner",
    "human_digest": "ab12",
    "steps": 300,
    "prompts": {"short": "short caption:", "odd": "a | b"},
    "scores": {"short": {"token_f1": 0.91, "exact": 0.5, "n": 10}, "odd": {"token_f1": 1 / 3}},
}


def test_card_tells_what_recap_json_keeps(tmp_path: Path) -> None:
    save(small(), tmp_path / "model", CARD)
    assert json.loads((tmp_path / "model" / "recap.json").read_text(encoding="utf-8")) == CARD
    text = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert text == readme(CARD)
    lines = text.splitlines()
    assert lines[:2] == ["---", "library_name: transformers"]
    assert "# Captioner recap" in lines and "Fine-tuned on 90 captions." in lines
    assert "| base | base:captioner |" in lines and "| steps | 300 |" in lines
    assert "| short | short caption: |" in lines and "| odd | a \\| b |" in lines
    assert "| style | exact | n | token_f1 |" in lines
    assert "| short | 0.5 | 10 | 0.91 |" in lines and "| odd |  |  | 0.333 |" in lines


def test_simulated_captions_are_called_so_and_people_s_are_not() -> None:
    assert "**simulated**" in readme(CARD)
    assert "simulated" not in readme({**CARD, "simulated": False})


def test_a_card_may_be_empty() -> None:
    assert "# Captioner" in readme({}) and "|" not in readme({})


def test_a_failure_leaves_the_old_folder(tmp_path: Path) -> None:
    save(small(0), tmp_path / "model", {"title": "old"})
    with pytest.raises(TypeError):
        save(small(1), tmp_path / "model", {"title": "new", "bad": object()})
    assert json.loads((tmp_path / "model" / "recap.json").read_text(encoding="utf-8")) == {
        "title": "old"
    }
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
