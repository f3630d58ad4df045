from __future__ import annotations

import math
from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.captions.mix import Mix, assign, shared
from recap_assets.experiment.errors import UserError

WEIGHTS = st.dictionaries(
    st.sampled_from(["alt", "short", "long", "own"]), st.floats(0.01, 100), min_size=1
)


def manifest_of(style: str, uids: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"uid": uids, "caption": [f"{style} of {uid}" for uid in uids]})


@given(WEIGHTS, st.text(max_size=8), st.integers(0, 5), st.integers(0, 5))
def test_a_draw_is_decided_by_its_arguments(
    weights: dict[str, float], uid: str, epoch: int, seed: int
) -> None:
    drawn = Mix(weights).draw(uid, epoch, seed)
    assert drawn in weights
    turned = dict(reversed(weights.items()))
    assert Mix(turned).draw(uid, epoch, seed) == drawn
    doubled = {style: 2 * weight for style, weight in weights.items()}
    assert Mix(doubled).draw(uid, epoch, seed) == drawn


@pytest.mark.parametrize(
    "weights", [{"short": 1, "long": 1}, {"alt": 5, "long": 95}, {"a": 1, "b": 2, "c": 3}]
)
@pytest.mark.parametrize("over", ["uids", "epochs", "seeds"])
def test_frequencies_are_the_weights(weights: dict[str, float], over: str) -> None:
    mix, n = Mix(weights), 4000
    draws = {
        "uids": lambda i: mix.draw(f"u{i}", 0, 0),
        "epochs": lambda i: mix.draw("u", i, 0),
        "seeds": lambda i: mix.draw("u", 0, i),
    }[over]
    counts = Counter(draws(i) for i in range(n))
    for style, weight in weights.items():
        p = weight / sum(weights.values())
        # Five standard deviations of a binomial count.
        assert abs(counts[style] - n * p) < 5 * math.sqrt(n * p * (1 - p))


def test_epochs_and_pictures_are_drawn_apart() -> None:
    mix, n = Mix({"short": 1, "long": 1}), 4000
    same = sum(mix.draw(f"u{i}", 0, 0) == mix.draw(f"u{i}", 1, 0) for i in range(n))
    assert abs(same - n / 2) < 5 * math.sqrt(n / 4)


def test_a_redraw_keeps_the_ratios_of_the_rest() -> None:
    mix, n = Mix({"a": 2, "b": 1, "c": 1}), 8000
    rest = [mix.draw(f"u{i}", 0, 0, among=["c", "b"]) for i in range(n)]
    lost = [rest[i] for i in range(n) if mix.draw(f"u{i}", 0, 0) == "a"]
    assert set(rest) == {"b", "c"}
    assert abs(lost.count("b") - len(lost) / 2) < 5 * math.sqrt(len(lost) / 4)


@pytest.mark.parametrize("weight", [0, -1, math.nan, math.inf])
def test_weights_must_be_above_zero(weight: float) -> None:
    with pytest.raises(UserError, match="'long'"):
        Mix({"short": 1, "long": weight})


def test_a_mix_names_a_style() -> None:
    with pytest.raises(UserError, match="no style"):
        Mix({})


@given(st.permutations([f"u{i}" for i in range(8)]), st.integers(0, 3))
def test_assignments_do_not_depend_on_the_order(uids: list[str], epoch: int) -> None:
    mix = Mix({"short": 1, "long": 1})
    manifests = {style: manifest_of(style, sorted(uids)) for style in mix.styles}
    captions = assign(manifests, mix, uids, epoch, seed=3)
    assert captions == [f"{mix.draw(uid, epoch, 3)} of {uid}" for uid in uids]


def test_one_style_is_always_drawn() -> None:
    uids = [f"u{i}" for i in range(20)]
    captions = assign({"alt": manifest_of("alt", uids)}, Mix({"alt": 0.3}), uids, 0, 0)
    assert captions == [f"alt of {uid}" for uid in uids]


def test_a_missing_caption_or_set_is_an_error() -> None:
    mix = Mix({"short": 1, "long": 1})
    manifests = {"short": manifest_of("short", ["u1"]), "long": manifest_of("long", [])}
    uids = [f"u{i}" for i in range(9)]
    with pytest.raises(UserError, match=r"\d of 9 pictures"):
        assign(manifests, mix, uids, 0, 0)
    with pytest.raises(UserError, match="'long'"):
        assign({"short": manifests["short"]}, mix, ["u1"], 0, 0)


def test_shared_pictures() -> None:
    manifests = {"a": manifest_of("a", ["3", "1", "2"]), "b": manifest_of("b", ["2", "3", "4"])}
    assert shared(manifests) == ["2", "3"]
    assert shared({}) == []
