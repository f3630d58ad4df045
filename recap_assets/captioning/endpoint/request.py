"""The body of a request: what the server is asked about one picture."""

from __future__ import annotations

from typing import Any

from recap_assets.captioning.question import Question
from recap_assets.experiment import fingerprint
from recap_assets.experiment.captioner_settings import Captioner

# Every server takes 31 bits; some refuse more, and some lose digits of more than 53.
_SEED_BITS = 31


def body(
    settings: Captioner,
    question: Question,
    place: int,
    picture: str | None,
    *,
    candidate: int = 0,
    several: int = 1,
) -> dict[str, Any]:
    """The JSON of a chat completion for `place`, whose picture is a data URL.

    several: so many candidates are asked for at once, from `candidate` on, with the logarithms of
        their tokens' probabilities.
    """
    asked: dict[str, Any] = {
        "model": settings.model,
        "messages": _messages(settings.system, question.prompts[place], picture),
        "max_tokens": question.max_tokens,
        "temperature": question.temperature,
    }
    if question.temperature > 0:
        # Said even where it is 1: servers may have another default for the model.
        asked |= {"top_p": question.top_p, "seed": seed(question.seeds[place], candidate)}
    if several > 1:
        asked |= {"n": several, "logprobs": True}
    return asked


def seed(own: int, candidate: int) -> int:
    """A picture's seed for the draw of one candidate: the first has the picture's own."""
    drawn = own if candidate == 0 else fingerprint.seed("candidate", own, candidate)
    return drawn & (2**_SEED_BITS - 1)


def _messages(system: str | None, prompt: str, picture: str | None) -> list[dict[str, Any]]:
    told = [] if system is None else [{"role": "system", "content": system}]
    if picture is None:
        return [*told, {"role": "user", "content": prompt}]
    parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": picture}}]
    if prompt:
        parts.append({"type": "text", "text": prompt})
    return [*told, {"role": "user", "content": parts}]
