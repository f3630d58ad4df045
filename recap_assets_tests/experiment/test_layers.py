"""Files that extend presets and each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.layers import merged, preset_names, read_layers


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_presets_that_ship() -> None:
    assert preset_names() == ["photo", "photo-album", "scenes", "sd14", "sdxl-lora"]


def test_nearer_files_win_over_farther_ones(tmp_path: Path) -> None:
    write(tmp_path / "far.yaml", "{a: far, b: far, c: far}")
    write(tmp_path / "sub" / "mid.yml", "extends: ../far.yaml\nb: mid\nc: mid\n")
    near = write(tmp_path / "near.yaml", "extends: sub/mid.yml\nc: near\n")
    assert merged(read_layers(near)) == {"a": "far", "b": "mid", "c": "near"}


def test_a_preset_lies_below_the_file(tmp_path: Path) -> None:
    near = write(tmp_path / "recap.yaml", "extends: scenes\nroot: here\nt2i: {steps: 7}\n")
    settings = merged(read_layers(near))
    assert settings["root"] == "here"
    assert (settings["t2i"]["steps"], settings["t2i"]["batch"]) == (7, 32)
    assert "extends" not in settings


def test_a_byte_order_mark_is_no_key(tmp_path: Path) -> None:
    near = tmp_path / "recap.yaml"
    near.write_bytes(b"\xef\xbb\xbfroot: x\r\n")
    assert merged(read_layers(near)) == {"root": "x"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "extends: scnes",
            "no preset 'scnes' (did you mean 'scenes'?); there are photo, photo-album, scenes, ",
        ),
        ("extends: zzz", "no preset 'zzz'; there are photo, photo-album, scenes, "),
        ("extends: ../layers", "no preset '../layers'"),
        ("extends: none.yaml", "no file 'none.yaml' beside it"),
        ("extends: [scenes]", "names one preset or file, not ['scenes']"),
        ("extends: recap.yaml", "recap.yaml already extends it; break the ring"),
        ("extends: ring.yaml", "recap.yaml already extends it; break the ring"),
    ],
)
def test_what_cannot_be_extended_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "ring.yaml", "extends: ./recap.yaml")
    near = write(tmp_path / "recap.yaml", text)
    with pytest.raises(UserError) as caught:
        read_layers(near)
    assert f"extends: {told}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_text_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "recap.yaml").write_bytes(b"root: \xff")
    with pytest.raises(UserError, match=r"recap\.yaml: is not UTF-8 text \(byte 6\)"):
        read_layers(tmp_path / "recap.yaml")
    with pytest.raises(UserError, match=r"none\.yaml: cannot be read \(No such file"):
        read_layers(tmp_path / "none.yaml")
