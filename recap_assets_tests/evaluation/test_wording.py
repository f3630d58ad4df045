from __future__ import annotations

import pytest

from recap_assets.evaluation.wording import over_limit, wording, words


def test_lexical_units() -> None:
    assert words("Don't _stop_: 3 RED circles, l\u2019eau \uff21") == [
        *("don't", "stop", "3", "red", "circles", "l'eau", "a")
    ]
    assert words("-- ''' __") == []


def test_statistics_by_hand() -> None:
    found = wording(["a red dog", "A red dog", "a red dog", "", "one two three four five six"])
    assert found["n"] == 5
    assert found["words_mean"] == pytest.approx(15 / 5)
    assert found["words_quantiles"] == {
        "0.05": pytest.approx(0.6),  # lengths 0 3 3 3 6, a fifth of the way from 0 to 3
        "0.5": 3,
        "0.95": pytest.approx(5.4),
        "1": 6,
    }
    assert found["vocabulary"] == 9
    assert found["type_token"] == pytest.approx(9 / 15)
    assert found["distinct"] == pytest.approx(4 / 5)
    assert found["frequent"][0] == ["a red dog", 2]
    assert len(found["frequent"]) == 4


def test_no_captions_have_no_means() -> None:
    found = wording([])
    assert (found["n"], found["vocabulary"], found["frequent"]) == (0, 0, [])
    assert {found[key] for key in ("words_mean", "type_token", "distinct")} == {None}
    assert found["words_quantiles"] is None
    assert wording(["..."])["type_token"] is None


def test_share_over_the_limit_counts_only_more_than_it() -> None:
    assert over_limit([76, 77, 78, 100], 77) == 0.5
    assert over_limit([], 77) is None
