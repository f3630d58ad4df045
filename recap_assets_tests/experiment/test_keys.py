"""The rule for partition keys."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.keys import check_key

FIRST = string.ascii_letters + string.digits
REST = FIRST + "_-"


def obeys(key: str) -> bool:
    """The rule, character by character."""
    return 1 <= len(key) <= 100 and key[0] in FIRST and all(letter in REST for letter in key)


@given(st.sampled_from(FIRST), st.text(REST, max_size=99))
def test_every_key_within_the_rule_is_returned(first: str, rest: str) -> None:
    assert check_key("shard", first + rest) == first + rest


@given(st.one_of(st.text(max_size=5), st.text(REST + " ./\n|", max_size=110)))
def test_a_key_is_refused_exactly_when_it_breaks_the_rule(key: str) -> None:
    try:
        check_key("shard", key)
    except UserError as error:
        assert not obeys(key)
        assert "\n" not in str(error)
    else:
        assert obeys(key)


@pytest.mark.parametrize("key", ["", "-a", "_a", "a b", "a/b", "..", "a\n", "é", "²", "a" * 101])
def test_these_are_refused(key: str) -> None:
    with pytest.raises(UserError, match=r"^style .*rename it$"):
        check_key("style", key)


def test_a_very_long_key_is_shown_shortened() -> None:
    with pytest.raises(UserError, match=r"5000 characters") as caught:
        check_key("shard", "a" * 5000)
    assert len(str(caught.value)) < 300
