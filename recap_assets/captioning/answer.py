"""What a captioner answers about some pictures: every style and candidate in one decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.choose import Row
from recap_assets.captioning.decode import Written, write
from recap_assets.captioning.families.family import Decoding, Inputs
from recap_assets.captioning.question import Question
from recap_assets.captioning.rerank import Reranker
from recap_assets.captioning.room import Rooms
from recap_assets.captions.generated import Generated

_NO_ROOM = Generated("", False, 0, "the prompt leaves no room for a caption")


class Shown(NamedTuple):
    """A picture's place in its source, and what each reader made of it: captioner, reranker.

    Nothing was read for questions that are about texts alone.
    """

    place: int
    read: tuple[Inputs, ...]


class _Asked(NamedTuple):
    """A question asked of one picture, the `number`th of those shown."""

    number: int
    question: Question
    prompt: str
    rows: list[Row]


@dataclass(frozen=True)
class Answerer:
    """Answers questions that are all about pictures, or all about texts alone.

    reranker: what chooses among candidates; None is their mean log-probability.
    """

    captioner: Captioner
    questions: Sequence[Question]
    rooms: Rooms
    reranker: Reranker | None = None

    def __call__(self, shown: Sequence[Shown]) -> list[dict[str, Generated]]:
        """For each picture its caption in each style. Raises whatever the model raises."""
        import torch

        asked = self._asked(shown)
        answers = [dict.fromkeys((q.style for q in self.questions), _NO_ROOM) for _ in shown]
        if asked:
            with torch.inference_mode():
                best = self._best(shown, asked, self._write(shown, asked))
            for one, caption in zip(asked, best, strict=True):
                answers[one.number][one.question.style] = caption
        return answers

    def _asked(self, shown: Sequence[Shown]) -> list[_Asked]:
        """Every question of every picture whose prompt leaves room, those of a picture together."""
        return [
            _Asked(number, question, question.prompts[place], _rows(question, place, limit))
            for number, (place, _) in enumerate(shown)
            for question in self.questions
            if (limit := self.rooms.limit(question, place))
        ]

    def _write(self, shown: Sequence[Shown], asked: Sequence[_Asked]) -> list[list[Written]]:
        """The candidates of everything that was asked."""
        family = self.captioner.family
        rows = [row for one in asked for row in one.rows]
        decoding = self._primed(shown, asked, max(row.limit for row in rows))
        written = iter(write(decoding, rows, family.ends, family.generation))
        return [list(islice(written, len(one.rows))) for one in asked]

    def _primed(self, shown: Sequence[Shown], asked: Sequence[_Asked], limit: int) -> Decoding:
        import torch

        family = self.captioner.family
        prompts = [one.prompt for one in asked for _ in one.rows]
        if not self.questions[0].picture:
            return family.prime(None, None, prompts, limit)
        memory = family.encode(family.reader.collate([one.read[0] for one in shown]))
        self.captioner.encodes += len(shown)
        at = torch.tensor([one.number for one in asked for _ in one.rows])
        return family.prime(memory, at, prompts, limit)

    def _best(
        self, shown: Sequence[Shown], asked: Sequence[_Asked], written: list[list[Written]]
    ) -> list[Generated]:
        """The best candidate of everything that was asked, of equal ones the first."""
        made = [[self._generated(one.tokens) for one in several] for several in written]
        scores = [[one.score for one in several] for several in written]
        if self.reranker is not None and any(len(several) > 1 for several in made):
            scores = self._fits(self.reranker, shown, asked, made)
        return [
            several[max(range(len(several)), key=mine.__getitem__)]
            for several, mine in zip(made, scores, strict=True)
        ]

    def _fits(
        self,
        reranker: Reranker,
        shown: Sequence[Shown],
        asked: Sequence[_Asked],
        made: list[list[Generated]],
    ) -> list[list[float]]:
        pictures = reranker.reader.collate([one.read[1] for one in shown])
        at = [one.number for one, several in zip(asked, made, strict=True) for _ in several]
        texts = [one.text for several in made for one in several]
        fits = iter(reranker.fit(pictures, at, texts))
        return [list(islice(fits, len(several))) for several in made]

    def _generated(self, tokens: list[int]) -> Generated:
        family = self.captioner.family
        finished = bool(tokens) and tokens[-1] in family.ends
        own = tokens[:-1] if finished else tokens
        return Generated(family.text(own), finished, len(own))


def _rows(question: Question, place: int, limit: int) -> list[Row]:
    return [
        Row(limit, question.temperature, question.top_p, question.seeds[place], candidate)
        for candidate in range(question.candidates)
    ]
