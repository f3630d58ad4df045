"""How long captions may become after their prompts."""

from __future__ import annotations

from collections.abc import Sequence

from recap_assets.captioning.families.family import Family
from recap_assets.captioning.question import Question
from recap_assets.experiment.errors import UserError


class Rooms:
    """The most tokens of each caption that questions ask for, each different prompt counted once.

    A prompt that is longer than others of its style, because it quotes more, leaves less room.
    """

    def __init__(self, family: Family, questions: Sequence[Question]) -> None:
        """
        Raises:
            UserError: if no prompt of a style leaves the room that the style asks for.
        """
        prompts = dict.fromkeys(prompt for question in questions for prompt in question.prompts)
        self._rooms = {prompt: family.room(prompt) for prompt in prompts}
        for question in questions:
            self._check(question)

    def limit(self, question: Question, place: int) -> int:
        """The most tokens of the caption of the picture at `place`; 0 if there is no room."""
        room = self._rooms[question.prompts[place]]
        return question.max_tokens if room is None else max(0, min(question.max_tokens, room))

    def _check(self, question: Question) -> None:
        found = [self._rooms[prompt] for prompt in question.prompts]
        rooms = [room for room in found if room is not None]
        if not rooms or len(rooms) < len(found) or max(rooms) >= question.max_tokens:
            return
        raise UserError(
            f"style {question.style!r}: max_tokens {question.max_tokens} is more than the "
            f"{max(rooms)} tokens the captioner has after its prompt; "
            f"lower max_tokens to {max(rooms)}"
        )
