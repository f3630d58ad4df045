"""What a server said, checked as far as it can be: nothing of it is taken on trust."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from recap_assets.captioning.endpoint.failures import Nonsense

# Of a token: the longest in use are runs of blanks and dashes.
_LONGEST_TOKEN = 128
# Servers differ in whether they count the token that ends a text, and the like.
_UNCOUNTED = 8
# openai.com answers for a dated version of the model, transformers for a revision of it.
_VERSION = re.compile(r"[@:].+|-\d{4}(-?\d\d)*")


class Choice(NamedTuple):
    """One candidate. logprob: the mean over its tokens, where the server told it.

    error: why the server declined, in its words; `text` is then empty.
    """

    text: str
    finished: bool
    n_tokens: int
    logprob: float | None = None
    error: str | None = None


class _Message(BaseModel):
    content: Any = None
    refusal: Any = None


class _Token(BaseModel):
    logprob: float


class _Tokens(BaseModel):
    content: list[_Token] | None = None


class _Choice(BaseModel):
    index: int = 0
    message: _Message
    finish_reason: str | None = None
    logprobs: _Tokens | None = None


class _Usage(BaseModel):
    completion_tokens: int | None = None


class _Answer(BaseModel):
    id: Any = None
    model: Any = None
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


def choices(data: bytes, asked: Mapping[str, Any]) -> list[Choice]:
    """The candidates of a chat completion, in the server's order, at most as many as asked for.

    Args:
        data: the body of the answer. asked: the body of the request, as `request.body` makes it.

    Raises:
        Nonsense: if it is no completion, is of another model or far too long, or a text is empty or
            no text.
    """
    try:
        answer = _Answer.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise Nonsense(f"no chat completion came back ({place}: {first['msg']})") from None
    check_model(answer.model, str(asked["model"]))
    few = sorted(answer.choices, key=lambda one: one.index)[: asked.get("n", 1)]
    told = answer.usage.completion_tokens if answer.usage is not None else None
    if told is not None and told > len(answer.choices) * (asked["max_tokens"] + _UNCOUNTED):
        raise Nonsense(f"{told} tokens came back where {asked['max_tokens']} were the limit")
    counted = told if len(answer.choices) == 1 else None
    return [_checked(one, counted, asked["max_tokens"]) for one in few]


def check_model(answered: Any, asked: str) -> None:
    """Whether an answer is of the model that was asked, or a dated or numbered version of it.

    A server that does not say passes: servers may leave it out.
    """
    name = "" if answered is None else str(answered)
    if name not in ("", asked) and not (
        name.startswith(asked) and _VERSION.fullmatch(name[len(asked) :])
    ):
        raise Nonsense(f"the answer is of another model, {name!r}")


def _checked(one: _Choice, counted: int | None, limit: int) -> Choice:
    logprobs = (one.logprobs.content if one.logprobs is not None else None) or []
    tokens = max(0, len(logprobs) or counted or 0)
    if isinstance(one.message.refusal, str) and one.message.refusal:
        return Choice("", True, tokens, error=f"refused: {one.message.refusal}")
    if one.finish_reason == "content_filter":
        return Choice("", True, tokens, error="the server's content filter withheld the caption")
    text = one.message.content
    if not isinstance(text, str):
        raise Nonsense(f"the caption is no text but {type(text).__name__}")
    if not text.strip():
        raise Nonsense("the caption is empty")
    if len(text) > limit * _LONGEST_TOKEN:
        raise Nonsense(f"{len(text)} characters came back where {limit} tokens were the limit")
    if one.finish_reason not in ("stop", "length"):
        raise Nonsense(f"the caption ended with {one.finish_reason!r}")
    return Choice(text.strip(), one.finish_reason == "stop", tokens, _mean(logprobs))


def _mean(tokens: list[_Token]) -> float | None:
    if not tokens:
        return None
    mean = math.fsum(max(token.logprob, -1e9) for token in tokens) / len(tokens)
    return mean if math.isfinite(mean) else None
