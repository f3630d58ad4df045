from __future__ import annotations

from typing import get_args

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.captions.limit import OverLimit, choose, within
from recap_assets.captions.mix import Mix
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.t2i_settings import T2I

MIX = Mix({"long": 1, "short": 1})
TOKENS = st.dictionaries(st.sampled_from(["long", "short"]), st.integers(2, 9))
POLICY = st.sampled_from(get_args(OverLimit))


@pytest.mark.parametrize(
    ("tokens", "policy", "styles"),
    [
        ({"long": 77, "short": 9}, "drop", ["long"]),
        ({"long": 78, "short": 9}, "drop", []),
        ({"long": 78, "short": 9}, "truncate", ["long"]),
        ({"long": 78, "short": 9}, "resample", ["short"]),
        ({"long": 78, "short": 90}, "resample", []),
        ({"long": 78, "short": 9, "alt": 3}, "resample", ["alt", "short"]),
        ({"short": 9}, "drop", []),
        ({"short": 9}, "truncate", []),
        ({"short": 9}, "resample", ["short"]),
        ({}, "resample", []),
    ],
)
def test_within_by_hand(tokens: dict[str, int], policy: OverLimit, styles: list[str]) -> None:
    assert within(tokens, "long", 77, policy) == styles


def test_an_unknown_policy_names_the_known() -> None:
    with pytest.raises(UserError, match="drop, truncate, resample"):
        within({}, "long", 77, "cut")  # type: ignore[arg-type]


def test_the_policies_are_those_of_the_configuration() -> None:
    assert set(get_args(OverLimit)) == set(get_args(T2I.model_fields["over_limit"].annotation))


def manifests_of(pictures: dict[str, dict[str, int]]) -> dict[str, pl.DataFrame]:
    return {
        style: pl.DataFrame(
            [
                {"uid": uid, "caption": f"{style} of {uid}", "n_tokens_clip": tokens[style]}
                for uid, tokens in pictures.items()
                if style in tokens
            ],
            schema={"uid": pl.String, "caption": pl.String, "n_tokens_clip": pl.Int32},
        )
        for style in ("long", "short")
    }


@given(st.dictionaries(st.sampled_from([f"u{i}" for i in range(9)]), TOKENS), POLICY)
def test_choose_equals_a_plain_loop(pictures: dict[str, dict[str, int]], policy: OverLimit) -> None:
    uids = sorted(pictures)
    chosen = choose(manifests_of(pictures), MIX, uids, 1, 2, limit=5, policy=policy)
    shown, over, missing, truncated, resampled = [], 0, 0, 0, 0
    for uid in uids:
        drawn, tokens = MIX.draw(uid, 1, 2), pictures[uid]
        other = "short" if drawn == "long" else "long"
        over += tokens.get(drawn, 0) > 5
        missing += drawn not in tokens
        if tokens.get(drawn, 99) <= 5:
            shown.append((uid, drawn))
        elif policy == "truncate" and drawn in tokens:
            shown.append((uid, drawn))
            truncated += 1
        elif policy == "resample" and tokens.get(other, 99) <= 5:
            shown.append((uid, other))
            resampled += 1
    assert list(zip(chosen.uids, chosen.styles, strict=True)) == shown
    assert chosen.captions == [f"{style} of {uid}" for uid, style in shown]
    assert (chosen.over, chosen.missing) == (over, missing)
    assert (chosen.truncated, chosen.resampled) == (truncated, resampled)
    assert chosen.dropped == len(uids) - len(shown)
    assert chosen.truncated + chosen.resampled + chosen.dropped == over + missing


def test_captions_without_counts_are_an_error() -> None:
    manifests = manifests_of({"u": {"long": 3, "short": 3}})
    uncounted = manifests["long"].with_columns(n_tokens_clip=pl.lit(None, pl.Int32))
    with pytest.raises(UserError, match="'long'"):
        choose(manifests | {"long": uncounted}, MIX, ["u"], 0, 0, 77, "drop")
    with pytest.raises(UserError, match="'short'"):
        choose({"long": manifests["long"]}, MIX, ["u"], 0, 0, 77, "drop")
