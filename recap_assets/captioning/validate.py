"""How well a captioner says what people said of pictures that it did not learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.examples import Example, Examples
from recap_assets.captioning.generate import batches
from recap_assets.captioning.question import Question
from recap_assets.captioning.score import Scores, scores

#: More numbers for the captions of the pictures with these uids, by who knows what they show.
Judge = Callable[[Sequence[str], Sequence[str]], Mapping[str, float | None]]

# A tuned captioner that says more than this many tokens above the longest human caption is cut.
_SLACK = 8


@dataclass(frozen=True)
class Validation:
    """Pictures with human captions that are held out, and who else judges captions of them."""

    examples: Examples
    judge: Judge | None = None

    @property
    def styles(self) -> dict[str, list[Example]]:
        """The styles that have any examples."""
        return {style: rows for style, rows in self.examples.styles.items() if rows}

    def scores(self, captioner: Captioner) -> dict[str, Scores]:
        """By style `score.scores` of the likeliest captions, and what the judge adds."""
        said = self._captions(captioner)
        return {style: self._measured(rows, said[style]) for style, rows in self.styles.items()}

    def loss(self, captioner: Captioner, size: int) -> float:
        """Nats per caption token, the mean over batches of `size` by their number of captions."""
        import torch

        family = captioner.family
        shown = self.examples.read(captioner)
        rows = [row for several in self.styles.values() for row in several]
        total = 0.0
        for start in range(0, len(rows), size):
            numbers, prompts, texts = zip(*rows[start : start + size], strict=True)
            inputs = family.reader.collate([shown[number] for number in numbers])
            with torch.inference_mode():
                loss = family.loss(inputs, range(len(texts)), prompts, texts)
            total += loss.item() * len(texts)
        return total / len(rows)

    def _captions(self, captioner: Captioner) -> dict[str, list[str]]:
        """What the captioner writes of every picture in every style that has examples."""
        total = len(self.examples.uids)
        asked = [_question(captioner, style, rows, total) for style, rows in self.styles.items()]
        said: dict[str, list[str]] = {style: [] for style in self.styles}
        if asked:
            size = captioner.settings.batch
            for _, made in batches(captioner, self.examples, total, asked, size):
                for style, captions in made.items():
                    said[style] += [caption.text for caption in captions]
        return said

    def _measured(self, rows: Sequence[Example], said: Sequence[str]) -> Scores:
        captions = [said[row.number] for row in rows]
        found = scores(captions, [row.caption for row in rows])
        if self.judge is not None:
            found |= self.judge([self.examples.uids[row.number] for row in rows], captions)
        return found


def _question(captioner: Captioner, style: str, rows: Sequence[Example], total: int) -> Question:
    """A style asked of all pictures; those without an example of it are asked like the first."""
    family = captioner.family
    prompts = {row.number: row.prompt for row in rows}
    texts = [row.caption for row in rows]
    tokens = family.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    asked = [prompts.get(number, rows[0].prompt) for number in range(total)]
    rooms = [room for prompt in {*asked} if (room := family.room(prompt)) is not None]
    limit = min([max(map(len, tokens)) + _SLACK, *rooms])
    return Question(style, asked, limit, [0] * total)
