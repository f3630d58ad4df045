from __future__ import annotations

from recap_assets.captioning.card import readme

CARD = {
    "title": "Captioner recap",
    "note": "Fine-tuned on 90 captions.",
    "simulated": True,
    "base": "base:captioner",
    "human_digest": "ab12",
    "steps": 300,
    "prompts": {"short": "short caption:", "odd": "a | b"},
    "scores": {"short": {"token_f1": 0.91, "exact": 0.5, "n": 10}, "odd": {"token_f1": 1 / 3}},
    "losses": [4.0, 2.5],
}
ADAPTER = {"base": "org/blip", "on_hub": True, "revision": "ab12", "architecture": "BlipX"}


def test_every_fact_is_told() -> None:
    lines = readme(CARD).splitlines()
    assert lines[:2] == ["---", "library_name: transformers"]
    assert "# Captioner recap" in lines and "Fine-tuned on 90 captions." in lines
    assert "| base | base:captioner |" in lines and "| steps | 300 |" in lines
    assert "| short | short caption: |" in lines and "| odd | a \\| b |" in lines
    assert "| style | tuning | token_f1 | exact | n |" in lines
    assert (
        "| short | after | 0.91 | 0.5 | 10 |" in lines and "| odd | after | 0.333 |  |  |" in lines
    )
    assert not any("losses" in line or "cider" in line for line in lines)


def test_scores_before_tuning_stand_beside_those_after() -> None:
    scores = {"short": {"cider": None, "n": 1}}
    lines = readme({"before": {"short": {"cider": 2.5, "n": 1}}, "scores": scores}).splitlines()
    place = lines.index("| style | tuning | cider | n |")
    assert lines[place + 2 : place + 4] == [
        "| short | before | 2.5 | 1 |",
        "| short | after |  | 1 |",
    ]
    assert any(line.startswith("`cider` is CIDEr-D") for line in lines)


def test_simulated_captions_are_called_so_and_people_s_are_not() -> None:
    assert "**simulated**" in readme(CARD)
    assert "simulated" not in readme({**CARD, "simulated": False})


def test_when_tuning_ended_is_a_sentence() -> None:
    assert "Tuning ended." in readme({"stopping": "Tuning ended."}).splitlines()
    assert "None" not in readme({"stopping": None})


def test_an_adapter_says_how_it_is_loaded() -> None:
    lines = readme({"adapter": ADAPTER}).splitlines()
    assert lines[1:6] == [
        "library_name: peft",
        "pipeline_tag: image-to-text",
        "base_model: org/blip",
        "tags: [lora]",
        "---",
    ]
    assert '    base = BlipX.from_pretrained("org/blip", revision="ab12")' in lines
    here = readme({"adapter": ADAPTER | {"on_hub": False, "revision": None}})
    assert "base_model" not in here and 'from_pretrained("org/blip")' in here


def test_a_card_may_be_empty() -> None:
    assert "# Captioner" in readme({}) and "|" not in readme({})
