from __future__ import annotations

import torch

from recap_assets.captioning.families.padding import IGNORED, Rows, labels, lesson, pad

CPU = torch.device("cpu")


def test_a_lesson_is_prompt_caption_and_end_and_the_prompt_is_not_learned() -> None:
    rows, told = lesson([[1, 2], [3]], [[4], [5, 6]], end=9, most=4, token=0, device=CPU)
    assert rows.ids.tolist() == [[1, 2, 4, 9], [3, 5, 6, 9]]
    assert rows.mask.tolist() == [[1, 1, 1, 1], [1, 1, 1, 1]]
    assert told.tolist() == [[IGNORED, IGNORED, 4, 9], [IGNORED, 5, 6, 9]]


def test_a_caption_that_is_cut_does_not_teach_to_stop() -> None:
    rows, told = lesson([[1], [1]], [[4, 5, 6], [7]], end=9, most=3, token=0, device=CPU)
    assert rows.ids.tolist() == [[1, 4, 5], [1, 7, 9]]
    assert told.tolist() == [[IGNORED, 4, 5], [IGNORED, 7, 9]]


def test_labels_are_made_where_the_rows_are() -> None:
    rows = pad([[1, 2, 3], [4]], 0, "right")
    elsewhere = Rows(rows.ids.to("meta"), rows.mask.to("meta"))
    assert labels(elsewhere, [1, 1]).device.type == "meta"
