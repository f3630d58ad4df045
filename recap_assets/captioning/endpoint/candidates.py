"""The candidates of one caption, asked for at once where the server can."""

from __future__ import annotations

from recap_assets.captioning.endpoint.answer import Choice
from recap_assets.captioning.endpoint.client import Client
from recap_assets.captioning.endpoint.failures import Rejected
from recap_assets.captioning.endpoint.request import body
from recap_assets.captioning.question import Question
from recap_assets.experiment.captioner_settings import Captioner


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
