from __future__ import annotations

import pytest

from recap_assets.evaluation.chair import faithfulness
from recap_assets.evaluation.lexicon import Lexicon

LEXICON = Lexicon.build(
    {
        "dog": ["dog", "dogs"],
        "hot dog": ["hot dog"],
        "cat": ["cat", "kitten"],
        "person": ["baby"],
        "bird": ["baby bird"],
    }
)


def test_pooled_over_captions_by_hand() -> None:
    captions = ["a dog and a dog", "a kitten, a cat and a dog", "nothing here"]
    truths = [{"dog"}, {"cat", "hot dog"}, {"bird"}]
    found = faithfulness(captions, truths, LEXICON)
    assert found.chair_i == pytest.approx(1 / 5)  # five mentions, the second dog is made up
    assert found.chair_s == pytest.approx(1 / 3)
    assert found.recall == pytest.approx(2 / 4)  # dog and cat of dog, cat, hot dog, bird


def test_a_wrong_label_said_twice_counts_twice_in_mentions_and_once_in_captions() -> None:
    found = faithfulness(["dog dog cat"], [{"cat"}], LEXICON)
    assert (found.chair_i, found.chair_s, found.recall) == (pytest.approx(2 / 3), 1.0, 1.0)


def test_no_mentions_hallucinate_nothing() -> None:
    found = faithfulness(["", "IMG_0001.jpg"], [{"dog"}, set()], LEXICON)
    assert (found.chair_i, found.chair_s, found.recall) == (0.0, 0.0, 0.0)
    nothing = faithfulness([], [], LEXICON)
    assert (nothing.chair_i, nothing.chair_s, nothing.recall) == (0.0, 0.0, None)


def test_compound_words_are_their_own_objects() -> None:
    found = faithfulness(["a hot dog and a baby bird"], [{"hot dog", "bird"}], LEXICON)
    assert (found.chair_i, found.chair_s, found.recall) == (0.0, 0.0, 1.0)
