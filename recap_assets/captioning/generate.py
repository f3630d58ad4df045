"""Captioning pictures in several styles over one encoding of each picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from PIL import Image

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.decode import greedy
from recap_assets.captioning.families.family import Family
from recap_assets.captioning.question import Generated, Question, Source
from recap_assets.captioning.read import read
from recap_assets.experiment.errors import UserError


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
    source = _Held(pictures)
    for _, made in batches(captioner, source, total, questions, batch):
        for style, captions in made.items():
            results[style] += captions
    return results


def batches(
    captioner: Captioner, source: Source, total: int, questions: Sequence[Question], batch: int = 64
) -> Iterator[tuple[int, dict[str, list[Generated]]]]:
    """Batch by batch, the place of its first picture, and for each style what was made of them.

    Args:
        source: the pictures at places 0 to `total`, asked for in order.
        questions: the styles asked of every picture, all over one encoding of it.
        batch: the most pictures that are encoded at once.

    Raises:
        UserError: if prompt and caption are longer than the model can write; as the source does.
    """
    import torch

    _check(captioner.family, questions)
    for start in range(0, total, batch):
        stop = min(start + batch, total)
        inputs = read(captioner, source(start, stop))
        # Not around the yield: what happens between two batches is none of its business.
        with torch.inference_mode():
            memory = captioner.family.encode(inputs)
            captioner.encodes += stop - start
            made = _answer(captioner.family, memory, questions, start, stop)
        yield start, made


def _answer(
    family: Family, memory: object, questions: Sequence[Question], start: int, stop: int
) -> dict[str, list[Generated]]:
    import torch

    rows = [(question, i) for i in range(start, stop) for question in questions]
    limits = [question.max_tokens for question, _ in rows]
    decoding = family.prime(
        memory,
        torch.tensor([i - start for _, i in rows]),
        [question.prompts[i] for question, i in rows],
        max(limits),
    )
    made: dict[str, list[Generated]] = {question.style: [] for question in questions}
    for (question, _), tokens in zip(rows, greedy(decoding, family.ends, limits), strict=True):
        made[question.style].append(_generated(family, tokens))
    return made


def _check(family: Family, questions: Sequence[Question]) -> None:
    for question in questions:
        for prompt in dict.fromkeys(question.prompts):
            room = family.room(prompt)
            if room is not None and question.max_tokens > room:
                raise UserError(
                    f"style {question.style!r}: max_tokens {question.max_tokens} is more than the "
                    f"{room} tokens the captioner has after its prompt; lower max_tokens to {room}"
                )


def _generated(family: Family, tokens: list[int]) -> Generated:
    finished = bool(tokens) and tokens[-1] in family.ends
    own = tokens[:-1] if finished else tokens
    return Generated(family.text(own), finished, len(own))


class _Held:
    """Pictures that are in memory, as a source."""

    def __init__(self, pictures: Sequence[Image.Image]) -> None:
        self._pictures = pictures

    def __call__(self, start: int, stop: int) -> list[Image.Image]:
        return list(self._pictures[start:stop])
