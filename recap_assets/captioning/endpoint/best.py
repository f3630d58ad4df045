"""The best of a caption's candidates: by a reranker, else by what the server thinks of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from recap_assets.captioning import rerank
from recap_assets.captioning.endpoint.answer import Choice
from recap_assets.captioning.question import Question, Source
from recap_assets.captioning.read import View
from recap_assets.captioning.rerank import Reranker
from recap_assets.captions.generated import Generated
from recap_assets.experiment.captioner_settings import Captioner

#: For each picture of a batch, for each question, its candidates.
Asked = list[list[list[Choice]]]


@dataclass(frozen=True)
class Best:
    """Makes captions of candidates. Without a reranker the highest mean log-probability wins;
    where the server told none, the first candidate."""

    settings: Captioner
    source: Source
    questions: Sequence[Question]
    reranker: Reranker | None

    @classmethod
    def of(cls, settings: Captioner, source: Source, questions: Sequence[Question]) -> Best:
        """With the captioner's reranker, if anything has several candidates about a picture.

        Raises:
            UserError: if the reranker cannot be loaded.
        """
        several = any(question.candidates > 1 and question.picture for question in questions)
        name = settings.reranker if several else None
        return cls(settings, source, questions, None if name is None else rerank.load(name))

    def __call__(self, start: int, asked: Asked) -> dict[str, list[Generated]]:
        """For each style the captions of the pictures from place `start` on."""
        made = {}
        for at, question in enumerate(self.questions):
            rows = [choices[at] for choices in asked]
            scores = self._scores(start, rows, question)
            best = [
                choices[max(range(len(choices)), key=mine.__getitem__)]
                for choices, mine in zip(rows, scores, strict=True)
            ]
            made[question.style] = [
                Generated(one.text, one.finished, one.n_tokens, one.error) for one in best
            ]
        return made

    def _scores(
        self, start: int, rows: Sequence[Sequence[Choice]], question: Question
    ) -> list[list[float]]:
        several = any(len(choices) > 1 for choices in rows)
        if self.reranker is not None and question.picture and several:
            return self._fits(self.reranker, start, rows)
        return [_likely(choices) for choices in rows]

    def _fits(
        self, reranker: Reranker, start: int, rows: Sequence[Sequence[Choice]]
    ) -> list[list[float]]:
        reader = View(reranker.reader, self.settings.view == "square")
        # Read once more: the pictures of all that is under way would be too many to keep.
        pictures = self.source(start, start + len(rows))
        inputs = reader.collate([reader(picture) for picture in pictures])
        at = [number for number, choices in enumerate(rows) for _ in choices]
        fits = iter(reranker.fit(inputs, at, [one.text for choices in rows for one in choices]))
        return [list(islice(fits, len(choices))) for choices in rows]


def _likely(choices: Sequence[Choice]) -> list[float]:
    """Mean log-probabilities; all alike if one is not known, for the others then say nothing."""
    known = [one.logprob for one in choices if one.logprob is not None]
    return known if len(known) == len(choices) else [0.0] * len(choices)
