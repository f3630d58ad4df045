from __future__ import annotations

from datetime import UTC, datetime

import pytest

from recap_assets.captions import schema
from recap_assets.captions.generated import Generated
from recap_assets.captions.recipe import ALT
from recap_assets.captions.rows import Stamp, build, build_alt
from recap_assets_tests.captions.making import (
    index_of,
    index_row,
    make_recipe,
    make_stamp,
    sha_of,
)


def test_a_row_by_hand() -> None:
    recipe = make_recipe(model_revision="r1")
    index = index_of([index_row("x", url="http://example.invalid/x")])
    frame = build(index, [Generated(" a  cat\non a mat ")], recipe, make_stamp("run-7"))
    assert frame.schema == schema.CAPTIONS
    assert frame.row(0, named=True) == {
        "uid": sha_of("x")[:32],
        "shard": "00000",
        "source_key": "key-x",
        "url": "http://example.invalid/x",
        "image_sha256": sha_of("x"),
        "style": "long",
        "caption": "a cat on a mat",
        "status": "ok",
        "error": None,
        "model_id": "base:captioner",
        "model_revision": "r1",
        "adapter_sha": "a" * 64,
        "prompt_id": "long",
        "prompt_sha": recipe.prompt_sha,
        "sampling": '{"max_tokens":72,"seed":0}',
        "seed": recipe.seed(sha_of("x")),
        "code_version": "1",
        "row_key": recipe.row_key(sha_of("x")),
        "n_chars": 14,
        "n_words": 5,
        "n_tokens_clip": 7,
        "n_tokens_t5": None,
        "created_at": datetime(2026, 1, 2, 3, 0, tzinfo=UTC),
        "run_id": "run-7",
    }


def test_every_picture_gets_a_row_whatever_became_of_it() -> None:
    index = index_of([index_row(name) for name in "abcdef"])
    made = [
        Generated("a cat"),
        Generated("a cat on", finished=False),
        Generated(""),
        Generated("I'm sorry, I can't help."),
        Generated("red red red red"),
        Generated("half a text", error="out of\nmemory"),
    ]
    frame = build(index, made, make_recipe(), make_stamp("r"))
    assert frame["status"].to_list() == list(schema.STATUSES[:2]) + [
        "empty",
        "refused",
        "looped",
        "error",
    ]
    assert frame["error"].to_list() == [None] * 5 + ["out of memory"]
    assert frame["caption"][5] == ""


def test_a_missing_caption_is_refused() -> None:
    index = index_of([index_row("a"), index_row("b")])
    with pytest.raises(ValueError, match="2 index rows but 1"):
        build(index, [Generated("a cat")], make_recipe(), make_stamp("r"))


def test_alt_rows_copy_the_source() -> None:
    index = index_of([index_row("a", alt="IMG_1.jpg\n"), index_row("b", alt=" ")])
    frame = build_alt(index, make_stamp("r"))
    assert frame["caption"].to_list() == ["IMG_1.jpg", ""]
    assert frame["status"].to_list() == ["ok", "empty"]
    assert frame["style"].unique().to_list() == ["alt"]
    assert frame["row_key"][0] == ALT.row_key(sha_of("a"), "IMG_1.jpg\n")
    assert frame["seed"].null_count() == 2


def test_alt_text_is_not_judged_as_a_models() -> None:
    index = index_of([index_row("a", alt="sale sale sale sale")])
    assert build_alt(index, make_stamp("r"))["status"].to_list() == ["ok"]


def test_tokens_stay_null_without_a_counter() -> None:
    stamp = Stamp("r", datetime(2026, 1, 1, tzinfo=UTC), count_t5=lambda texts: [*map(len, texts)])
    frame = build(index_of([index_row("a")]), [Generated("a cat")], make_recipe(), stamp)
    assert frame.select("n_tokens_clip", "n_tokens_t5").row(0) == (None, 5)


def test_no_pictures_no_rows() -> None:
    assert build(index_of([]), [], make_recipe(), make_stamp("r")).equals(schema.empty())
    assert build_alt(index_of([]), make_stamp("r")).equals(schema.empty())
