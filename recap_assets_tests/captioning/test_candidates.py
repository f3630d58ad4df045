"""Several captions drawn for a picture, and which of them is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from recap_assets.captioning import rerank
from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.choose import Row
from recap_assets.captioning.decode import write
from recap_assets.captioning.generate import Held, batches
from recap_assets.captioning.question import Question
from recap_assets.captioning.read import read
from recap_assets.captions.generated import Generated
from recap_assets_tests.captioning import dual
from recap_assets_tests.captioning.lively import lively
from recap_assets_tests.captioning.pictures import images, noise

PICTURES = images(noise(5))
SEEDS = [11, 12, 13, 14, 15]
DRAWN = Question("drawn", ["short caption:"] * 5, 9, SEEDS, 1.3, 0.9, candidates=4)
GREEDY = Question("greedy", ["a red wall"] * 5, 12, SEEDS)


def said(
    captioner: Captioner, questions: list[Question], batch: int = 64
) -> dict[str, list[Generated]]:
    made: dict[str, list[Generated]] = {question.style: [] for question in questions}
    for _, some in batches(captioner, Held(PICTURES), 5, questions, batch):
        for style, rows in some.items():
            made[style] += rows
    return made


def one_by_one(captioner: Captioner) -> list[list[tuple[str, float]]]:
    """The candidates of each picture with their scores, each written alone."""
    family, found = captioner.family, []
    for picture, seed in zip(PICTURES, SEEDS, strict=True):
        mine = []
        for candidate in range(4):
            row = Row(9, 1.3, 0.9, seed, candidate)
            with torch.inference_mode():
                memory = family.encode(read(captioner, [picture]))
                decoding = family.prime(memory, torch.tensor([0]), ["short caption:"], 9)
                # A second candidate beside it makes the first one's score known too.
                one = write(decoding, [row], family.ends, family.generation)[0]
            mine.append((family.text([t for t in one.tokens if t not in family.ends]), one.score))
        found.append(mine)
    return found


def test_the_kept_candidate_has_the_best_mean_log_probability() -> None:
    captioner = lively()
    kept = said(captioner, [DRAWN])["drawn"]
    candidates = one_by_one(captioner)
    texts = [[text for text, _ in mine] for mine in candidates]
    assert all(len(set(mine)) > 2 for mine in texts)
    for one, mine in zip(kept, candidates, strict=True):
        assert one.text in [text for text, _ in mine]
    # The first candidate has no score of its own where it is written alone; the others tell.
    for one, mine in zip(kept, candidates, strict=True):
        scores = dict(mine[1:])
        if one.text in scores:
            assert scores[one.text] == pytest.approx(max(scores.values()), abs=1e-4)


def test_the_kept_candidate_fits_its_picture_best(tmp_path: Path) -> None:
    folder = dual.clip(tmp_path / "clip")
    captioner = lively()
    told = captioner.settings.model_copy(update={"reranker": str(folder)})
    kept = said(Captioner(captioner.family, told), [DRAWN])["drawn"]
    reranker = rerank.load(str(folder))
    for picture, one, mine in zip(PICTURES, kept, one_by_one(captioner), strict=True):
        texts = [text for text, _ in mine]
        fits = reranker.fit(reranker.reader(picture), [0] * 4, texts)
        assert one.text == texts[fits.index(max(fits))]


def test_neither_batch_size_nor_other_styles_change_what_is_drawn() -> None:
    captioner = lively()
    alone = said(captioner, [DRAWN])["drawn"]
    greedy = said(captioner, [GREEDY])["greedy"]
    for batch in (1, 2, 5):
        together = said(captioner, [GREEDY, DRAWN], batch)
        assert together == {"greedy": greedy, "drawn": alone}


def test_the_seed_changes_what_is_drawn_and_not_what_is_likeliest() -> None:
    captioner = lively()
    other = Question("drawn", DRAWN.prompts, 9, [s + 1 for s in SEEDS], 1.3, 0.9, 4)
    assert said(captioner, [other])["drawn"] != said(captioner, [DRAWN])["drawn"]
    again = Question("greedy", GREEDY.prompts, 12, [0] * 5)
    assert said(captioner, [again]) == said(captioner, [GREEDY])


def test_of_equal_candidates_the_first_is_kept() -> None:
    captioner = lively()
    alike = Question("greedy", GREEDY.prompts, 12, SEEDS, candidates=3)
    assert said(captioner, [alike]) == said(captioner, [GREEDY])


def test_a_picture_is_encoded_once_for_all_of_it() -> None:
    captioner = lively()
    said(captioner, [GREEDY, DRAWN], 2)
    assert captioner.encodes == 5
