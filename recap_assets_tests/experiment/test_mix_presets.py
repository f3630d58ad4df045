"""Names of mixes in recap.yaml: what they stand for, and that they change no digest."""

from __future__ import annotations

from pathlib import Path

import pytest

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest
from recap_assets.experiment.load import load_config
from recap_assets.experiment.mix_presets import PRESETS
from recap_assets.experiment.t2i_settings import Arm

BOTH = ("short", "long")


def arm(folder: Path, mix: str, styles: tuple[str, ...] = BOTH) -> Arm:
    told = "".join(f"  {style}: {{prompt: p, captioner: c}}\n" for style in styles)
    file = folder / "recap.yaml"
    file.write_text(
        f"dataset: {{urls: a.tar}}\ncaptioners: {{c: {{model: m}}}}\nstyles:\n{told}"
        f"arms: {{x: {{mix: {mix}}}}}\n",
        encoding="utf-8",
    )
    return load_config(file).arms["x"]


@pytest.mark.parametrize(
    ("name", "mapping", "styles"),
    [
        ("alt", "{alt: 1}", BOTH),
        ("short", "{short: 1}", BOTH),
        ("long", "{long: 1}", BOTH),
        ("mix50", "{long: 1, short: 1}", BOTH),
        ("dalle3_95_5", "{long: 95, alt: 5}", BOTH),
        ("sd3_50_50", "{alt: 1, long: 1}", BOTH),
        ("sd3_50_50", "{alt: 1, own: 1}", ("own",)),
        ("p=0.7", "{long: 0.7, alt: 0.3}", BOTH),
        ("p=.2", "{own: 0.2, alt: 0.8}", ("own",)),
        ("p=1", "{long: 1}", BOTH),
        ("p=0", "{alt: 1}", BOTH),
        ("random_length", '{"long:random_length": 1}', BOTH),
        ("fusion", '{"long+alt": 1}', BOTH),
        ("short+alt", '{"short+alt": 1}', BOTH),
        ("own", "{own: 1}", ("own", "long")),
    ],
)
def test_a_name_and_the_mix_it_stands_for_are_one_arm(
    tmp_path: Path, name: str, mapping: str, styles: tuple[str, ...]
) -> None:
    assert digest(arm(tmp_path, name, styles)) == digest(arm(tmp_path, mapping, styles))


def test_the_styles_an_arm_needs(tmp_path: Path) -> None:
    found = arm(tmp_path, '{"long+alt": 1, "short:random_length": 2, long: 3}')
    assert found.styles == ["alt", "long", "short"]


@pytest.mark.parametrize(
    ("mix", "styles", "told"),
    [
        ("mix5", BOTH, r"arms\.x\.mix: no mix 'mix5' \(did you mean 'mix50'\?\)"),
        ("p=1.5", BOTH, r"a share is from 0 to 1"),
        ("fusion", ("one", "two"), r"needs a style 'long' or a single style.*one, two"),
        ("mix50", ("long",), r"arms\.x\.mix: no style 'short'"),
        ("long:any", BOTH, r"only the source has several texts; write alt:any"),
        ('{"long+lnog": 1}', BOTH, r"no style 'lnog' \(did you mean 'long'\?\)"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, mix: str, styles: tuple[str, ...], told: str) -> None:
    with pytest.raises(UserError, match=told):
        arm(tmp_path, mix, styles)


def test_every_preset_says_where_it_is_from() -> None:
    assert all(preset.source and preset.weights for preset in PRESETS.values())


def test_the_guide_lists_every_preset() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "mixes.md").read_text(encoding="utf-8")
    assert [name for name in PRESETS if f"`{name}`" not in guide] == []
