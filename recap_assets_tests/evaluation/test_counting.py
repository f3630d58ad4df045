from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.evaluation.counting import ca, exact_counts, extra_objects
from recap_assets_tests.evaluation.judged import found

labels = st.sampled_from(["cat", "dog", "cow"])


@pytest.mark.parametrize(
    ("wanted", "seen", "error"),
    [
        ({"cat": 2, "dog": 1}, "cat cat dog", 0.0),
        ({"cat": 2, "dog": 1}, "", math.sqrt(5 / 2)),
        ({"cat": 2, "dog": 1}, "cat cat cat cat dog", math.sqrt(4 / 2)),
        ({"cat": 3}, "cat", 2.0),
    ],
)
def test_counting_error_by_hand(wanted: dict[str, int], seen: str, error: float) -> None:
    assert ca(wanted, found(*seen.split())) == pytest.approx(error)


def test_an_object_not_asked_for_costs_extra_and_not_ca() -> None:
    wanted, seen = {"cat": 2}, found("cat", "cat")
    more = [*seen, *found("cow", "cow", "dog")]
    assert ca(wanted, seen) == ca(wanted, more) == 0.0
    assert (extra_objects(wanted, seen), extra_objects(wanted, more)) == (0, 3)
    assert extra_objects(wanted, found("cat", "cat", "cat")) == 0, "too many is not another class"


def test_no_classes_has_no_counting_error() -> None:
    with pytest.raises(ValueError, match="without objects"):
        ca({}, found("cat"))


@given(st.dictionaries(labels, st.integers(1, 4), min_size=1), st.lists(labels, max_size=8))
def test_exact_everywhere_iff_no_error(wanted: dict[str, int], seen: list[str]) -> None:
    exact = exact_counts(wanted, found(*seen))
    assert exact == {label: seen.count(label) == n for label, n in wanted.items()}
    assert all(exact.values()) == (ca(wanted, found(*seen)) == 0)
