"""Digests and seeds: frozen values, and what may and may not change them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.experiment.config import Schedule
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest, file_sha256, folder_digest, seed, short

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
TREES = st.recursive(
    SCALARS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_digests_are_those_of_sha256sum() -> None:
    # printf '{"a":1,"b":["\\u00e9",null]}' | sha256sum
    assert digest({"b": ["é", None], "a": 1}) == (
        "2e5d948477e91220a5fcf1508e4405eb19fccc1281843c197ea0cc778c63f773"
    )


def shuffled(tree: object, order: random.Random) -> object:
    if isinstance(tree, dict):
        items = [(key, shuffled(value, order)) for key, value in tree.items()]
        order.shuffle(items)
        return dict(items)
    return [shuffled(part, order) for part in tree] if isinstance(tree, list) else tree


@given(TREES, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(tree: object, order: random.Random) -> None:
    assert digest(shuffled(tree, order)) == digest(tree)


def typed(tree: object) -> object:
    """A tree whose equality tells 1, 1.0 and true apart, as JSON does."""
    if isinstance(tree, dict):
        return frozenset((key, typed(value)) for key, value in tree.items())
    return tuple(map(typed, tree)) if isinstance(tree, list) else (type(tree), repr(tree))


@given(TREES, TREES)
def test_digests_agree_exactly_when_the_trees_do(one: object, other: object) -> None:
    same = typed(one) == typed(other)
    if {type(one), type(other)} == {dict, list}:  # an empty mapping is no empty list
        same = False
    assert (digest(one) == digest(other)) == same


def test_a_model_counts_as_its_settings_wherever_it_stands() -> None:
    plain = {"cron": "0 3 * * *", "shards_per_tick": 7}
    assert digest({"schedule": [Schedule(**plain)]}) == digest({"schedule": [plain]})
    assert digest(Schedule(shards_per_tick=7)) != digest(Schedule(shards_per_tick=8))


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(TypeError, match="set has no canonical JSON form"):
        digest({"a": {1, 2}})
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest([float("nan")])


def test_short_is_the_first_twelve_digits_and_stays_so() -> None:
    assert short("0123456789abcdef" * 4) == "0123456789ab"
    assert short(short("0123456789abcdef" * 4)) == "0123456789ab"


def test_seeds_are_those_of_sha256sum() -> None:
    # printf 'ab\x1flong\x1f0' | sha256sum, its first 16 digits shifted right by one bit
    assert seed("ab", "long", 0) == 0x01044C6E4FD05C2A >> 1


@given(st.lists(st.integers() | st.text()))
def test_seeds_fit_63_bits(parts: list[object]) -> None:
    try:
        assert 0 <= seed(*parts) < 2**63
    except UnicodeEncodeError:
        assert any("\ud800" <= letter <= "\udfff" for letter in "".join(map(str, parts)))


def test_seeds_tell_parts_apart() -> None:
    assert len({seed("ab", "c"), seed("a", "bc"), seed("abc"), seed("c", "ab")}) == 4


def test_digests_are_the_same_in_another_process() -> None:
    code = (
        "from recap_assets.experiment.fingerprint import digest, seed;"
        "print(digest({'b': 1, 'a': {'d': 2, 'c': 3}}), seed('x', 1))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    out = subprocess.check_output([sys.executable, "-c", code], text=True, env=environment)
    assert out.split() == [digest({"a": {"c": 3, "d": 2}, "b": 1}), str(seed("x", 1))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "unet").mkdir(parents=True)
    (root / "config.json").write_bytes(b"{}")
    (root / "unet" / "weights.bin").write_bytes(b"\x00" * 10)
    return root


def test_a_files_digest_is_that_of_sha256sum(folder: Path) -> None:
    # printf '{}' | sha256sum
    assert file_sha256(folder / "config.json") == (
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    )


def test_a_folders_digest_is_frozen(folder: Path) -> None:
    # (printf 'config.json\0%s\n' SHA; printf 'unet/weights.bin\0%s\n' SHA) | sha256sum
    assert folder_digest(folder) == (
        "535c203a5ea2e5e9ec663d39e04a728ea97fcd55ea6dd8655a7202d2063430ea"
    )


def test_descriptions_and_hidden_files_do_not_count(folder: Path) -> None:
    before = folder_digest(folder)
    (folder / "README.md").write_bytes(b"a card")
    (folder / "unet" / "MODEL_CARD.md").write_bytes(b"a card")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "download.lock").write_bytes(b"")
    (folder / ".gitattributes").write_bytes(b"*")
    assert folder_digest(folder) == before


@pytest.mark.parametrize("change", ["content", "name", "added", "removed", "place"])
def test_whatever_counts_changes_the_digest(folder: Path, change: str) -> None:
    before = folder_digest(folder)
    weights = folder / "unet" / "weights.bin"
    if change == "content":
        weights.write_bytes(b"\x01" + b"\x00" * 9)
    elif change == "name":
        weights.rename(folder / "unet" / "other.bin")
    elif change == "added":
        (folder / "empty").write_bytes(b"")
    elif change == "removed":
        weights.unlink()
    else:
        weights.rename(folder / "weights.bin")
    assert folder_digest(folder) != before


def test_a_moved_copy_has_the_same_digest(folder: Path, tmp_path: Path) -> None:
    before = folder_digest(folder)
    folder.rename(tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert folder_digest(tmp_path / "elsewhere") == before
    assert folder_digest(tmp_path / "link") == before


def test_unchanged_files_are_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = folder_digest(folder)
    reads: list[str] = []

    def noted(path: str) -> str:
        reads.append(Path(path).name)
        return "0" * 64

    monkeypatch.setattr("recap_assets.experiment.fingerprint.file_sha256", noted)
    assert folder_digest(folder) == before
    assert reads == []
    (folder / "config.json").write_bytes(b"[]")
    assert folder_digest(folder) != before
    assert reads == ["config.json"]


def test_what_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a folder"):
        folder_digest(tmp_path / "none")
    with pytest.raises(UserError, match="No such file"):
        file_sha256(tmp_path / "none")
