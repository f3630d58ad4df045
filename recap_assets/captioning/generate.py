"""Captioning the pictures of a source in several styles over one encoding of each picture."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice, repeat

from PIL import Image

from recap_assets.captioning import processors, rerank
from recap_assets.captioning.answer import Answerer, Shown
from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.feed import Feed, Read, ReadError, sensible
from recap_assets.captioning.question import Question, Source
from recap_assets.captioning.read import View
from recap_assets.captioning.recover import Recovering
from recap_assets.captioning.rerank import Reranker
from recap_assets.captioning.room import Rooms
from recap_assets.captions.generated import Generated
from recap_assets.experiment.errors import UserError

# Batches that may be read before they are asked for.
_AHEAD = 2


def caption(
    captioner: Captioner,
    pictures: Sequence[Image.Image],
    prompts: Mapping[str, tuple[str, int]],
    batch: int = 64,
) -> dict[str, list[Generated]]:
    """For each style the likeliest captions of all pictures, in their order; see `batches`.

    prompts: style -> (prompt, most tokens of a caption).
    """
    total = len(pictures)
    questions = [
        Question(style, [prompt] * total, limit, [0] * total)
        for style, (prompt, limit) in prompts.items()
    ]
    results: dict[str, list[Generated]] = {style: [] for style in prompts}
    for _, made in batches(captioner, Held(pictures), total, questions, batch):
        for style, captions in made.items():
            results[style] += captions
    return results


def batches(
    captioner: Captioner, source: Source, total: int, questions: Sequence[Question], batch: int = 64
) -> Iterator[tuple[int, dict[str, list[Generated]]]]:
    """Batch by batch, the place of its first picture, and for each style what was made of them.

    Args:
        source: the pictures at places 0 to `total`.
        questions: the styles asked of every picture, all over one encoding of it.
        batch: the most pictures that are encoded at once.

    A caption depends on its picture, prompt, seed and settings only (on a GPU to the rounding of
    its matrix products, which may differ with the number of pictures). A picture that fails while
    others work is an answer with an error.

    Raises:
        UserError: if prompt and caption are longer than the model can write, if the model's
            settings ask for what is not supported, or nothing fits into memory; as the source does.
    """
    pictured, textual = _halves(captioner, questions)
    rooms = Rooms(captioner.family, questions)
    reranker = _reranker(captioner, pictured)
    by_picture = Recovering(Answerer(captioner, pictured, rooms, reranker)) if pictured else None
    by_text = Recovering(Answerer(captioner, textual, rooms)) if textual else None
    stream = _read(captioner, reranker, source, total, batch) if pictured else _nothing(total)
    start = 0
    with closing(stream):
        while read := list(islice(stream, min(batch, captioner.most or batch))):
            answers = _answers(by_picture, by_text, read, start)
            yield start, {q.style: [one[q.style] for one in answers] for q in questions}
            start += len(read)


def _answers(
    by_picture: Recovering | None, by_text: Recovering | None, read: Sequence[Read], start: int
) -> list[dict[str, Generated]]:
    """For each picture, from place `start`, the answer to every question by its style."""
    made: list[dict[str, Generated]] = [{} for _ in read]
    places = enumerate(read, start)
    if by_picture is not None:
        made = by_picture(
            [one if isinstance(one, ReadError) else Shown(i, one) for i, one in places]
        )
    if by_text is not None:
        told = by_text([Shown(start + number, ()) for number in range(len(read))])
        made = [a | b for a, b in zip(made, told, strict=True)]
    return made


def _halves(
    captioner: Captioner, questions: Sequence[Question]
) -> tuple[list[Question], list[Question]]:
    """The questions about pictures, and those about texts alone.

    Raises:
        UserError: if the model cannot answer them as they are asked.
    """
    processors.check(captioner.family.generation, captioner.settings.model)
    texts = [question for question in questions if not question.picture]
    if texts and not captioner.family.text_only:
        raise UserError(
            f"style {texts[0].style!r}: captioner {captioner.settings.model} answers about "
            "pictures only; remove `picture: false`, or use a chat model"
        )
    return [question for question in questions if question.picture], texts


def _reranker(captioner: Captioner, questions: Sequence[Question]) -> Reranker | None:
    name = captioner.settings.reranker
    several = any(question.candidates > 1 for question in questions)
    return rerank.load(name) if name is not None and several else None


def _read(
    captioner: Captioner, reranker: Reranker | None, source: Source, total: int, batch: int
) -> Generator[Read]:
    settings = captioner.settings
    decoders = settings.decoders if settings.decoders is not None else sensible(total)
    readers = [captioner.family.reader, *([reranker.reader] if reranker else [])]
    seen = [View(reader, settings.view == "square") for reader in readers]
    yield from Feed(seen, decoders, _AHEAD * batch)(source, total)


def _nothing(total: int) -> Generator[Read]:
    """What is read of pictures that nobody asks about."""
    yield from repeat((), total)


class Held:
    """Pictures that are in memory, as a source."""

    def __init__(self, pictures: Sequence[Image.Image]) -> None:
        self._pictures = pictures

    def __call__(self, start: int, stop: int) -> list[Image.Image]:
        return list(self._pictures[start:stop])

    def part(self, start: int, stop: int) -> Held:
        return Held(self._pictures[start:stop])
