from __future__ import annotations

from pathlib import Path

import pytest

from recap_assets.experiment.config import Config
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.load import load_config


def load(tmp_path: Path, tune: str, style: str = "", human: str = "short: txt") -> Config:
    file = tmp_path / "recap.yaml"
    file.write_text(
        "dataset: {urls: x.tar}\n"
        f"captioners: {{recap: {{model: m, tune: {{{tune}}}}}, plain: {{model: m}}}}\n"
        f"human: {{captions: {{{human}}}}}\n"
        "styles:\n"
        '  short: {prompt: "short:", captioner: recap}\n'
        '  long: {prompt: "long:", captioner: recap}\n'
        f"{style}",
        encoding="utf-8",
    )
    return load_config(file)


@pytest.mark.parametrize(
    ("tune", "told"),
    [
        (
            "steps: 10, checkpoints: [5, 11]",
            "captioners.recap.tune.checkpoints: 11 is after the last of 10 steps",
        ),
        (
            "steps: 10, validate_every: 11",
            "captioners.recap.tune.validate_every: 11 is more than all 10 steps",
        ),
        ("patience: 2", "captioners.recap.tune.patience: waits for scores that nobody takes"),
    ],
)
def test_steps_that_do_not_fit_together_are_told(tmp_path: Path, tune: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, tune)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_a_style_without_pictures_cannot_be_taught(tmp_path: Path) -> None:
    style = '  x: {prompt: "{alt}: shorter", picture: false, captioner: recap}\n'
    with pytest.raises(UserError, match=r"styles\.x\.picture: false cannot be taught"):
        load(tmp_path, "steps: 10", style, "short: txt, x: x")
    assert load(tmp_path, "steps: 10", style).styles["x"].picture is False


def test_what_fits_together_is_read(tmp_path: Path) -> None:
    tune = "method: lora, steps: 10, validate_every: 10, patience: 1, checkpoints: [10, 2]"
    style = '  x: {prompt: "{short} {alt}", captioner: recap}\n'
    style += '  y: {prompt: "{alt}: {short}", picture: false, captioner: plain}\n'
    config = load(tmp_path, tune, style, "short: txt, x: x, y: y")
    how = config.captioners["recap"].tune
    assert how is not None
    assert (how.checkpoints, how.rank, how.alpha) == ((2, 10), 16, 32.0)
