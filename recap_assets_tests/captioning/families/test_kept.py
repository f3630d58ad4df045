from __future__ import annotations

from pathlib import Path

from recap_assets.captioning.families.kept import Kept


def test_files_that_tuning_does_not_change_are_kept_as_they_are(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir()
    copy.mkdir()
    kept = {
        "tokenizer.json": b'{"a":  1}',
        "video_preprocessor_config.json": b"{}",
        "chat_template.jinja": b"{{ messages }}",
        "merges.txt": b"a b",
        "tokenizer.model": bytes(range(256)),
    }
    others = (
        "config.json",
        "generation_config.json",
        "recap.json",
        "model.safetensors",
        "model.safetensors.index.json",
        "README.md",
        "code.py",
    )
    for name, content in {**kept, **dict.fromkeys(others, b"x")}.items():
        (source / name).write_bytes(content)
    found = Kept.of(source)
    for path in source.iterdir():
        path.unlink()
    found.write(copy)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == kept
