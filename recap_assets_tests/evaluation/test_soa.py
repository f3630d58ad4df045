from __future__ import annotations

import pytest

from recap_assets.evaluation.soa import count, hits, soa_c, soa_i, tise_compat
from recap_assets.experiment.errors import UserError
from recap_assets_tests.evaluation.judged import asks, found

CAT = asks("cat", {"cat": 1})
BOTH = asks("both", {"cat": 1, "dog": 1})
# cat: 5 images, 3 hits, 4 answered. dog: 2 images, 1 hit, 2 answered.
IMAGES = [
    (CAT, found("cat")),
    (CAT, found("cat", "cat", "cow")),
    (CAT, []),
    (BOTH, found("cat")),
    (BOTH, found("dog")),
]


def test_hits_ask_for_presence_not_for_the_number() -> None:
    assert hits(asks("p", {"cat": 3, "dog": 1}), found("cat")) == {"cat": True, "dog": False}


def test_class_mean_and_image_mean_by_hand() -> None:
    counts = count(IMAGES)
    assert soa_c(counts, ["cat", "dog"]) == pytest.approx((3 / 5 + 1 / 2) / 2)
    assert soa_i(counts) == pytest.approx(4 / 7)


def test_an_image_without_detections_is_a_miss() -> None:
    before = soa_i(count(IMAGES[:2]))
    assert before == 1.0
    assert soa_i(count(IMAGES[:3])) == pytest.approx(2 / 3)


def test_the_compatible_form_differs_by_exactly_the_unanswered_images() -> None:
    counts = count(IMAGES)
    compatible = tise_compat(counts)
    assert compatible == {"cat": pytest.approx(3 / 4), "dog": pytest.approx(1 / 2)}
    for label, c in counts.items():
        accuracy = soa_c(counts, [label])
        assert compatible[label] == pytest.approx(accuracy * c.images / c.answered)
    assert tise_compat(count([(CAT, [])])) == {}


def test_the_denominator_is_the_declared_classes() -> None:
    counts = count(IMAGES)
    with pytest.raises(UserError, match="cow"):
        soa_c(counts, ["cat", "dog", "cow"])
    with pytest.raises(UserError, match="no classes"):
        soa_c(counts, [])
    with pytest.raises(UserError, match="no classes"):
        soa_i({})
