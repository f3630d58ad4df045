from __future__ import annotations

from typing import Any

import polars as pl

from recap_assets.evaluation.table import ROWS
from recap_assets.experiment.t2i_settings import T2I
from recap_assets.stages.model_card import text


def facts(step: int = 300, **settings: Any) -> dict[str, Any]:
    return {
        "arm": "mix-both-s0",
        "step": step,
        "base_model": "someone/model",
        "base_digest": "b" * 64,
        "pipeline": "StableDiffusionPipeline",
        "mix": {"alt": 1.0, "long": 3.0},
        "train": ["unet", "text_encoder"],
        "seed": 7,
        "caption_sets": {"alt": "1" * 64, "long": "2" * 64},
        "images": 1000,
        "dropped": 12,
        "settings": T2I.model_validate({"seed": 5} | settings).model_dump(mode="json"),
        "simulated": False,
        "final_loss": 0.25,
    }


def test_what_decided_the_weights_is_told() -> None:
    card = text(facts())
    assert card.startswith("---\nlibrary_name: diffusers\npipeline_tag: text-to-image\n")
    for line in (
        "# mix-both-s0\n",
        "A StableDiffusionPipeline trained on the caption mix alt 1, long 3.",
        '    pipeline = StableDiffusionPipeline.from_pretrained("<this folder>")',
        f"| alt | `{'1' * 64}` |",
        f"| long | `{'2' * 64}` |",
        "| trained | unet, text_encoder |",
        "| method | full |",
        "| seeds | 7 of the arm, 5 of all arms |",
        "| steps, batch, peak learning rate | 300, 64, 0.0003 |",
        "| images | 1000 |",
        "| pictures left out of an epoch | 12 |",
        f"| base weights | `{'b' * 64}` |",
    ):
        assert line in card
    assert "simulated" not in card and "lora" not in card.lower()
    assert "simulated by a program" in text(facts() | {"simulated": True})


def test_weights_on_the_way_and_from_scratch_say_so() -> None:
    assert "# mix-both-s0 after 100 of 300 steps\n" in text(facts(step=100))
    assert "the denoiser from random weights" in text(facts(from_scratch=True))


def test_an_adapter_says_how_it_is_loaded() -> None:
    card = text(facts(method="lora", rank=4, alpha=8))
    assert "\ntags: [lora]\n---\n" in card
    assert "A LoRA adapter for a StableDiffusionPipeline, trained on" in card
    assert 'from_pretrained("<the base model>")\n    pipeline.load_lora_weights("<this f' in card
    assert "| method | lora, rank 4, alpha 8 |" in card


def test_parts_that_the_model_lacks_are_named_for_diffusers() -> None:
    lacking = {"pipeline": "StableDiffusion3Pipeline", "absent": ["text_encoder_3", "tokenizer_3"]}
    told = ", text_encoder_3=None, tokenizer_3=None)\n"
    assert f'.from_pretrained("<this folder>"{told}' in text(facts() | lacking)
    assert f'.from_pretrained("<the base model>"{told}' in text(facts(method="lora") | lacking)


def test_metrics_are_added_where_there_are_any() -> None:
    row = dict.fromkeys(ROWS) | {"arm": "mix-both-s0", "metric": "fid", "value": 1.5}
    row |= {"ci_low": 1.25, "ci_high": 2.0, "n": 480, "prompt_set": "0123456789ab"}
    table = pl.DataFrame([row], schema=ROWS)
    card = text(facts(), table)
    assert card.startswith(text(facts()))
    assert "| fid | 1.5000 | 1.2500 to 2.0000 | 480 | `0123456789ab` |" in card
    assert text(facts(), table.clear()) == text(facts())
