from __future__ import annotations

import json
from pathlib import Path

import pytest

from recap_assets.evaluation.prompts import Prompt, digest, read
from recap_assets.experiment.errors import UserError

FULL = {
    "id": "p0001",
    "prompt": "two red circles left of a blue square",
    "style": "short",
    "objects": {"red circle": 2, "blue square": 1},
    "relations": [["red circle", "left", "blue square"]],
    "image": "pictures/1.png",
}


def write(path: Path, *records: object) -> Path:
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    return path


def test_reads_full_and_minimal_lines_in_order(tmp_path: Path) -> None:
    minimal = {"id": "z", "prompt": "ein Bär", "style": "alt", "objects": {}, "image": None}
    path = write(tmp_path / "p.jsonl", minimal, "", FULL)
    assert read(path) == [
        Prompt("z", "ein Bär", "alt"),
        Prompt(
            "p0001",
            "two red circles left of a blue square",
            "short",
            {"red circle": 2, "blue square": 1},
            (("red circle", "left", "blue square"),),
            "pictures/1.png",
        ),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{not json", "JSON"),
        ("[1]", "line 2"),
        ({"prompt": "a", "style": "s"}, "id"),
        ({**FULL, "id": 3}, "id"),
        ({**FULL, "prompt": "  "}, "prompt"),
        ({**FULL, "object": {}}, "'objects'"),
        ({**FULL, "objects": {"red circle": 0, "blue square": 1}}, "objects.red circle"),
        ({**FULL, "objects": {"red circle": 1.5, "blue square": 1}}, "objects.red circle"),
        ({**FULL, "objects": {"red circle": "2", "blue square": 1}}, "objects.red circle"),
        ({**FULL, "relations": [["red circle", "beside", "blue square"]]}, "relations.0.1"),
        ({**FULL, "relations": [["red circle", "left"]]}, "relations.0"),
        ({**FULL, "relations": [["red circle", "left", "star"]]}, "'star'"),
        ({**FULL, "relations": [["red circle", "left", "red circle"]]}, "itself"),
        ({**FULL, "id": "first"}, "line 1"),
    ],
)
def test_a_bad_line_is_named_with_its_reason(tmp_path: Path, line: object, reason: str) -> None:
    path = write(tmp_path / "p.jsonl", {**FULL, "id": "first"}, line)
    with pytest.raises(UserError) as caught:
        read(path)
    assert "line 2" in str(caught.value)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_empty_and_undecodable_files_are_user_errors(tmp_path: Path) -> None:
    for name, content in (("empty.jsonl", b"\n\n"), ("latin.jsonl", "é".encode("latin-1"))):
        (tmp_path / name).write_bytes(content)
    for name in ("missing.jsonl", "empty.jsonl", "latin.jsonl"):
        with pytest.raises(UserError, match=name):
            read(tmp_path / name)


def test_digest_follows_content_and_order_and_nothing_else(tmp_path: Path) -> None:
    other = {**FULL, "id": "p0002"}
    shuffled_keys = dict(reversed(FULL.items()))
    a = digest(read(write(tmp_path / "a.jsonl", FULL, other)))
    assert a == digest(read(write(tmp_path / "b.jsonl", "", shuffled_keys, "", other)))
    assert a != digest(read(write(tmp_path / "c.jsonl", other, FULL)))
    assert a != digest(read(write(tmp_path / "d.jsonl", FULL, {**other, "style": "long"})))
    assert len(a) == 64
