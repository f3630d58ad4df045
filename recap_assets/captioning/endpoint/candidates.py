"""The candidates of one caption, asked for at once where the server can, and the best of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image

from recap_assets.captioning.endpoint.answer import Choice
from recap_assets.captioning.endpoint.client import Client
from recap_assets.captioning.endpoint.failures import Rejected
from recap_assets.captioning.endpoint.request import body
from recap_assets.captioning.question import Generated, Question
from recap_assets.experiment.captioner_settings import Captioner

#: The place of the best text for each picture: `best(pictures, texts)` with as many lists as
#: pictures.
Reranker = Callable[[Sequence[Image.Image], Sequence[Sequence[str]]], Sequence[int]]


class Asker:
    """Asks a question of a picture; learns whether the server gives several candidates at once."""

    def __init__(self, client: Client, settings: Captioner) -> None:
        self._client = client
        self._settings = settings
        self._at_once = True

    async def ask(self, question: Question, place: int, picture: str | None) -> list[Choice]:
        """What came of the candidates: those with a text, else one with the reason why not.

        Without a temperature all would be alike, so there is one.

        Raises:
            UserError: if there is no sense in asking on.
        """
        wanted = question.candidates if question.temperature > 0 else 1
        found: list[Choice] = []
        while len(found) < wanted:
            try:
                found += await self._next(question, place, picture, len(found), wanted)
            except Rejected as error:
                found.append(Choice("", False, 0, error=str(error)))
        good = [one for one in found if one.error is None]
        return good or found[:1]

    async def _next(
        self, question: Question, place: int, picture: str | None, first: int, wanted: int
    ) -> list[Choice]:
        """The candidates from `first` on that one request gives, in their order."""
        rejected = False
        if self._at_once and first == 0 and wanted > 1:
            try:
                several = body(self._settings, question, place, picture, several=wanted)
                return await self._client.ask(several)
            except Rejected:
                rejected = True
        one = await self._client.ask(
            body(self._settings, question, place, picture, candidate=first)
        )
        # Only now is it known that the number was the reason.
        self._at_once = self._at_once and not rejected
        return one


def best(choices: Sequence[Choice]) -> Choice:
    """That with the highest mean log-probability; the first where one of them has none."""
    if any(one.logprob is None for one in choices):
        return choices[0]
    return max(choices, key=lambda one: one.logprob or 0.0)


def generated(choice: Choice) -> Generated:
    """A choice as captioners answer."""
    return Generated(choice.text, choice.finished, choice.n_tokens, choice.error)
