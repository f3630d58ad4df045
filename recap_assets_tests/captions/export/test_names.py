"""Names of exported pictures: below their folder on every system, and each once."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recap_assets.captions.export.names import Names, safe_key, tar_key
from recap_assets.images.tars import split_name, unsafe_name

KEYS = st.text(max_size=40) | st.text("./\\:a ", max_size=12)


@pytest.mark.parametrize(
    ("key", "with_dots", "without"),
    [
        ("0001", "0001", "0001"),
        ("a/b/0001", "a/b/0001", "a/b/0001"),
        ("my.photo.v2", "my.photo.v2", "my_photo_v2"),
        ("v1.0/my.photo", "v1_0/my.photo", "v1_0/my_photo"),
        ("../../etc/passwd", "__/__/etc/passwd", "__/__/etc/passwd"),
        ("/etc/passwd", "etc/passwd", "etc/passwd"),
        ("C:\\Windows", "C__Windows", "C__Windows"),
        ("a/./b//c", "a/b/c", "a/b/c"),
        ("", "x", "x"),
        ("con.old", "xcon.old", "con_old"),
        ("__meta__/a", "x__meta__/a", "x__meta__/a"),
        (".hidden. ", "_hidden__", "_hidden__"),
        ("K\u00e4se \U0001f9c0", "K\u00e4se \U0001f9c0", "K\u00e4se \U0001f9c0"),
    ],
)
def test_names(key: str, with_dots: str, without: str) -> None:
    assert (safe_key(key, dots=True), safe_key(key, dots=False)) == (with_dots, without)


@given(KEYS, st.booleans())
@example("a" * 500, True)
@example("\N{CHEESE WEDGE}" * 100 + "/b", False)
@example("LPT1", True)
def test_every_key_becomes_a_path_that_every_system_takes(key: str, dots: bool) -> None:
    name = safe_key(key, dots=dots)
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind(f"{name}.txt")
        assert not path.is_absolute()
        assert not path.drive
        assert ".." not in path.parts
        assert "/".join(path.parts) == f"{name}.txt"
    for part in name.split("/"):
        assert 0 < len(part.encode("utf-8")) <= 200
        assert not re.search(r'[<>:"|?*\\\x00-\x1f]|[. ]$|^\.', part)
        assert part.split(".")[0].lower() not in {"con", "prn", "aux", "nul", "com1", "lpt1"}
    assert safe_key(name, dots=dots) == name


@given(KEYS)
def test_a_tar_gives_every_key_back(key: str) -> None:
    name = f"{tar_key(key)}.png"
    assert split_name(name) == (tar_key(key), "png")
    assert not unsafe_name(name)
    if split_name(f"{key}.png") == (key, "png") and not unsafe_name(key):
        assert tar_key(key) == key


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "A", "a_00000000", "\u00e9", "e\u0301"]), st.just("0" * 32))
    )
)
def test_no_name_is_given_out_twice(asked: list[tuple[str, str]]) -> None:
    plain, folded = Names(folded=False), Names(folded=True)
    found = [plain.take(name, uid) for name, uid in asked]
    assert len(set(found)) == len(asked)
    forms = [unicodedata.normalize("NFC", folded.take(*one)).lower() for one in asked]
    assert len(set(forms)) == len(asked)
    if asked:
        assert found[0] == asked[0][0]


def test_a_folder_is_never_called_like_a_file(tmp_path: Path) -> None:
    for key in ("a", "a.txt/b", "a.jpg/c.txt/d"):
        path = tmp_path / f"{safe_key(key, dots=True)}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 3
