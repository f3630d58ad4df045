from __future__ import annotations

from pathlib import Path

import pytest

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.load import load_config

HEAD = """
dataset: {urls: x.tar}
captioners: {recap: {model: m, tune: {checkpoints: [9, 3]}}, plain: {model: m}}
styles:
  short: {prompt: "short:", captioner: recap}
"""


def problem(tmp_path: Path, *styles: str) -> str:
    file = tmp_path / "recap.yaml"
    file.write_text(HEAD + "".join(f"  {style}\n" for style in styles), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_config(file)
    return str(caught.value)


@pytest.mark.parametrize(
    ("style", "told"),
    [
        (
            'x: {prompt: "{shortt}", captioner: recap}',
            "no field {shortt} (did you mean 'short'?); known: alt, short",
        ),
        ('x: {prompt: "{x}", captioner: recap}', "styles.x.prompt: no field {x}"),
        ('x: {prompt: "{", captioner: recap}', "styles.x.prompt: prompt '{'"),
        ('x: {prompt: "a", captioner: recap, picture: false}', "styles.x.picture: false leaves"),
        (
            'x: {prompt: "a", captioner: recap, candidates: 4}',
            "styles.x.candidates: without a temp",
        ),
        ('x: {prompt: "a", captioner: recap, top_p: 0.9}', "styles.x.top_p: needs a temperature"),
        ('x: {prompt: "a", captioner: recap, step: 4}', "keeps no step 4 (it keeps 3, 9)"),
        ('x: {prompt: "a", captioner: plain, step: 4}', "keeps no step 4 (it keeps none)"),
    ],
)
def test_what_contradicts_itself_is_told_with_its_place(
    tmp_path: Path, style: str, told: str
) -> None:
    assert told in problem(tmp_path, style)


def test_prompts_that_wait_for_each_other_are_told(tmp_path: Path) -> None:
    ring = problem(
        tmp_path,
        'a: {prompt: "{b}", captioner: recap}',
        'b: {prompt: "{alt} {a}", captioner: recap}',
    )
    assert "styles: prompts read each other in a ring" in ring
    assert "Traceback" not in ring and ring.count("\n") == 0


def test_a_style_that_reads_others_and_draws_candidates_is_fine(tmp_path: Path) -> None:
    file = tmp_path / "recap.yaml"
    fused = (
        '  fused: {prompt: "{alt} {short} {{}}", captioner: recap, temperature: 1, candidates: 3}'
    )
    file.write_text(HEAD + fused, encoding="utf-8")
    assert load_config(file).styles["fused"].candidates == 3
