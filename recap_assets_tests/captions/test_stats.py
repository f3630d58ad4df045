from __future__ import annotations

import re
import statistics
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recap_assets.captions import stats

CAPTIONS = st.lists(st.text("aAbé 2,.-'", min_size=1, max_size=12), min_size=1, max_size=8)


def frame_of(captions: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"caption": captions, "n_tokens_clip": [len(caption) % 7 for caption in captions]},
        schema={"caption": pl.String, "n_tokens_clip": pl.Int32},
    )


def test_vocabulary_by_hand() -> None:
    found = stats.vocabulary(frame_of(["A red cat, a red dog.", "red-cat", "!"]))
    # a red cat a red dog | red cat
    assert found == {"tokens": 8, "types": 4, "type_token_ratio": 0.5, "bigrams": 4}


@settings(max_examples=15)
@given(CAPTIONS)
def test_vocabulary_equals_plain_python(captions: list[str]) -> None:
    words = [re.findall(r"[^\W_]+", caption.lower()) for caption in captions]
    flat = [word for line in words for word in line]
    pairs = {pair for line in words for pair in zip(line, line[1:], strict=False)}
    found = stats.vocabulary(frame_of(captions))
    assert (found["tokens"], found["types"]) == (len(flat), len(set(flat)))
    assert found["bigrams"] == len(pairs)


@settings(max_examples=15)
@given(CAPTIONS)
def test_lengths_equal_numpy(captions: list[str]) -> None:
    frame = frame_of(captions)
    found = {row["unit"]: row for row in stats.lengths(frame).iter_rows(named=True)}
    expected = {
        "chars": [len(caption) for caption in captions],
        "words": [len(caption.split()) for caption in captions],
        "tokens": frame["n_tokens_clip"].to_list(),
    }
    for unit, lengths in expected.items():
        row = found[unit]
        assert (row["n"], row["min"], row["max"]) == (len(lengths), min(lengths), max(lengths))
        assert row["mean"] == pytest.approx(statistics.mean(lengths))
        if len(lengths) > 1:
            assert row["sd"] == pytest.approx(statistics.stdev(lengths))
        for share in (5, 25, 50, 75, 95):
            assert row[f"p{share:02}"] == pytest.approx(np.percentile(lengths, share))


@settings(max_examples=15)
@given(st.lists(st.sampled_from(["a cat", "a dog", "x"]), min_size=1, max_size=9))
def test_frequent_equals_a_counter(captions: list[str]) -> None:
    counted = sorted(Counter(captions).items(), key=lambda pair: (-pair[1], pair[0]))
    found = stats.frequent(frame_of(captions), 2)
    assert found.select("caption", "n").rows() == counted[:2]
    assert found["share"].to_list() == pytest.approx([n / len(captions) for _, n in counted[:2]])


def test_no_captions() -> None:
    nothing = frame_of([])
    assert stats.vocabulary(nothing)["type_token_ratio"] == 0
    assert stats.lengths(nothing).height == 0
    assert stats.frequent(nothing).height == 0
