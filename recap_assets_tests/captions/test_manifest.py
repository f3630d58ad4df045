from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recap_assets.captions import manifest
from recap_assets.captions.generated import Generated
from recap_assets.captions.recipe import ALT, Recipe
from recap_assets.captions.rows import build, build_alt
from recap_assets.captions.store import CaptionStore
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captions.making import (
    index_of,
    index_row,
    make_recipe,
    make_stamp,
    sha_of,
)

RECIPE = make_recipe()
SHARDS = {
    "00000": {"a": "one", "b": "two"},
    "00001": {"c": "", "b": "two", "d": "four"},
}


def publish(
    root: Path, shards: dict[str, dict[str, str]], recipe: Recipe = RECIPE, run: str = "r1"
) -> CaptionStore:
    store = CaptionStore(root)
    for shard, captions in shards.items():
        index = index_of([index_row(content, shard=shard) for content in captions])
        made = [Generated(text) for text in captions.values()]
        store.publish(recipe, shard, build(index, made, recipe, make_stamp(run)))
    return store


def test_by_hand(tmp_path: Path) -> None:
    built = manifest.build(publish(tmp_path, SHARDS), RECIPE, list(SHARDS), {sha_of("a")})
    assert built.frame.schema == manifest.MANIFEST
    found = built.frame.select("image_sha256", "shard", "caption", "n_tokens_clip").rows()
    expected = [(sha_of("b"), "00000", "two", 3), (sha_of("d"), "00001", "four", 3)]
    assert found == sorted(expected)
    assert (built.not_ok, built.repeated, built.held_out) == (1, 1, 1)
    lines = sorted(f'["{sha}","{caption}"]\n' for sha, _, caption, _ in expected)
    assert built.content == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_the_order_of_shards_does_not_matter(tmp_path: Path) -> None:
    store = publish(tmp_path, SHARDS)
    one = manifest.build(store, RECIPE, ["00000", "00001"], set())
    other = manifest.build(store, RECIPE, ["00001", "00000", "00001"], [])
    assert one.frame.equals(other.frame)
    versions = [
        manifest.version(store, RECIPE, shards, held)
        for shards, held in ((["00000", "00001"], []), (["00001", "00000"], set[str]()))
    ]
    assert versions[0] == versions[1]


def test_missing_shards_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    store = publish(tmp_path, {"00001": {"a": "one"}})
    for function in (manifest.build, manifest.version):
        with pytest.raises(UserError, match=r"'long': 2 of 3 shards .* '00000'"):
            function(store, RECIPE, ["00002", "00001", "00000"], set())


def test_a_new_captioner_that_writes_the_same_text_changes_nothing(tmp_path: Path) -> None:
    other = make_recipe(adapter_sha="b" * 64)
    store = publish(tmp_path, SHARDS)
    publish(tmp_path, SHARDS, other, run="r2")
    sets = [manifest.build(store, recipe, list(SHARDS), set()) for recipe in (RECIPE, other)]
    assert sets[0].content == sets[1].content


def test_one_changed_word_changes_version_and_content(tmp_path: Path) -> None:
    store = publish(tmp_path, SHARDS)
    content = manifest.build(store, RECIPE, list(SHARDS), set()).content
    version = manifest.version(store, RECIPE, list(SHARDS), set())
    publish(tmp_path, {"00001": SHARDS["00001"] | {"d": "for"}}, run="r2")
    assert manifest.build(store, RECIPE, list(SHARDS), set()).content != content
    assert manifest.version(store, RECIPE, list(SHARDS), set()) != version


def test_alt_text_of_a_repeated_picture_comes_from_the_first_shard_that_has_one(
    tmp_path: Path,
) -> None:
    store = CaptionStore(tmp_path)
    for shard, alt in {"00000": "", "00001": "first", "00002": "second"}.items():
        index = index_of([index_row("a", shard=shard, alt=alt)])
        store.publish(ALT, shard, build_alt(index, make_stamp("r")))
    built = manifest.build(store, ALT, ["00002", "00001", "00000"], set())
    assert built.frame["caption"].to_list() == ["first"]
    assert (built.not_ok, built.repeated) == (1, 1)


def test_no_shards_are_an_empty_set(tmp_path: Path) -> None:
    built = manifest.build(CaptionStore(tmp_path), RECIPE, [], set())
    assert built.frame.equals(manifest.MANIFEST.to_frame())
    assert built.content == hashlib.sha256(b"").hexdigest()


def test_saved_sets_are_found_by_version_and_by_content(tmp_path: Path) -> None:
    store = publish(tmp_path, SHARDS)
    built = manifest.build(store, RECIPE, list(SHARDS), set())
    version = manifest.version(store, RECIPE, list(SHARDS), set())
    assert manifest.lookup(tmp_path, "long", version) is None
    path = manifest.save(tmp_path, "long", version, built)
    assert path == tmp_path / "manifests" / "long" / f"{built.content[:12]}.parquet"
    assert manifest.lookup(tmp_path, "long", version) == built.content
    assert manifest.load(tmp_path, "long", built.content).equals(built.frame)
    assert manifest.lookup(tmp_path, "short", version) is None
    assert manifest.lookup(tmp_path, "long", version[:12] + "0" * 52) is None


def test_two_versions_may_lead_to_one_file(tmp_path: Path) -> None:
    built = manifest.build(publish(tmp_path, SHARDS), RECIPE, list(SHARDS), set())
    path = manifest.save(tmp_path, "long", "1" * 64, built)
    inode = path.stat().st_ino
    assert manifest.save(tmp_path, "long", "2" * 64, built) == path
    assert path.stat().st_ino == inode
    assert manifest.lookup(tmp_path, "long", "1" * 64) == built.content
    assert manifest.lookup(tmp_path, "long", "2" * 64) == built.content


def test_pictures_packed_anew_keep_the_name_and_get_their_new_shards(tmp_path: Path) -> None:
    for number, shard in enumerate(("00000", "repacked")):
        store = publish(tmp_path, {shard: SHARDS["00000"]})
        built = manifest.build(store, RECIPE, [shard], set())
        manifest.save(tmp_path, "long", f"{number}" * 64, built)
    loaded = manifest.load(tmp_path, "long", built.content)
    assert loaded["shard"].unique().to_list() == ["repacked"]
    assert len(list((tmp_path / "manifests" / "long").glob("*.parquet"))) == 1


def test_a_missing_or_damaged_set_names_the_way_out(tmp_path: Path) -> None:
    built = manifest.build(publish(tmp_path, SHARDS), RECIPE, list(SHARDS), set())
    with pytest.raises(UserError, match="caption_manifest"):
        manifest.load(tmp_path, "long", built.content)
    path = manifest.save(tmp_path, "long", "1" * 64, built)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match="caption_manifest"):
        manifest.load(tmp_path, "long", built.content)
    manifest.save(tmp_path, "long", "1" * 64, built)
    assert manifest.load(tmp_path, "long", built.content).equals(built.frame)


def test_a_damaged_pointer_counts_as_none(tmp_path: Path) -> None:
    built = manifest.build(publish(tmp_path, SHARDS), RECIPE, list(SHARDS), set())
    manifest.save(tmp_path, "long", "1" * 64, built)
    (pointer,) = (tmp_path / "manifests" / "long" / "versions").iterdir()
    for text in ("", "{", "[]", json.dumps({"version": "1" * 64})):
        pointer.write_text(text, encoding="utf-8")
        assert manifest.lookup(tmp_path, "long", "1" * 64) is None


WORDS = st.sampled_from(["", "red", "blue"])


@settings(max_examples=25)
@given(
    st.dictionaries(
        st.sampled_from(["s0", "s1", "s2"]),
        st.dictionaries(st.sampled_from("abcd"), WORDS),
        min_size=1,
    ),
    st.sets(st.sampled_from("abcd")),
)
def test_equals_a_plain_dictionary(
    tmp_path_factory: pytest.TempPathFactory, shards: dict[str, dict[str, str]], held: set[str]
) -> None:
    expected: dict[str, str] = {}
    for shard in sorted(shards):
        for content, caption in shards[shard].items():
            if caption and content not in held:
                expected.setdefault(sha_of(content), caption)
    store = publish(tmp_path_factory.mktemp("store"), shards)
    built = manifest.build(store, RECIPE, list(shards), set(map(sha_of, held)))
    assert dict(built.frame.select("image_sha256", "caption").iter_rows()) == expected
    rows = sum(map(len, shards.values()))
    assert built.frame.height + built.not_ok + built.repeated + built.held_out == rows
