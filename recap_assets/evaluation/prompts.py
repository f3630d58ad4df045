"""The prompt set: what every arm is asked to draw, and which objects and relations that asks
for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recap_assets.experiment import fingerprint
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.nearest import did_you_mean

Direction = Literal["left", "right", "above", "below"]


@dataclass(frozen=True)
class Prompt:
    """One line of a prompt set.

    `objects` maps a detector label to how many of it the prompt asks for (empty: object metrics do
    not apply); a relation (a, "left", b) says that a is left of b; `image` is the path of a real
    picture relative to the prompt set's folder, if there is one.
    """

    id: str
    prompt: str
    style: str
    objects: dict[str, int] = field(default_factory=dict)
    relations: tuple[tuple[str, Direction, str], ...] = ()
    image: str | None = None


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(min_length=1)]
    prompt: Annotated[str, Field(min_length=1, pattern=r"\S")]
    style: Annotated[str, Field(min_length=1)]
    objects: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    relations: list[tuple[str, Direction, str]] = Field(default_factory=list)
    image: str | None = None


def read(path: Path | str) -> list[Prompt]:
    """Read a prompt set, one JSON object a line, in file order; blank lines are skipped.

    Raises:
        UserError: if the file cannot be read or is empty, a line breaks the form, an id repeats, or
            a relation names something that the line's objects do not.
    """
    prompts: list[Prompt] = []
    lines: dict[str, int] = {}
    for number, text in enumerate(_text(path).split("\n"), start=1):
        if not text.strip():
            continue
        prompt = _parse(text, f"{path} line {number}")
        if prompt.id in lines:
            raise UserError(
                f"{path} line {number}: the id {prompt.id!r} was used on line {lines[prompt.id]}; "
                "give every prompt its own"
            )
        lines[prompt.id] = number
        prompts.append(prompt)
    if not prompts:
        raise UserError(f"{path}: no prompts in it; write one JSON object a line")
    return prompts


def digest(prompts: Sequence[Prompt]) -> str:
    """64 hex digits over everything the prompts say, in their order."""
    return fingerprint.digest([asdict(prompt) for prompt in prompts])


def _text(path: Path | str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); check `evaluation.prompts`"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text; save it as UTF-8") from error


def _parse(text: str, where: str) -> Prompt:
    try:
        line = _Line.model_validate_json(text)
    except ValidationError as error:
        raise UserError(f"{where}: {_reason(error)}") from error
    for a, _, b in line.relations:
        _check_relation(a, b, line.objects, where)
    relations = tuple(line.relations)
    return Prompt(line.id, line.prompt, line.style, line.objects, relations, line.image)


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        known = ", ".join(_Line.model_fields)
        return f"unknown key {where!r}{did_you_mean(where, _Line.model_fields)}; use {known}"
    return f"{where or 'the line'}: {first['msg'][:200]}"


def _check_relation(a: str, b: str, objects: dict[str, int], where: str) -> None:
    missing = [label for label in (a, b) if label not in objects]
    if missing:
        raise UserError(
            f"{where}: a relation names {missing[0]!r}, which is not in objects; "
            "add it with its count"
        )
    if a == b:
        raise UserError(f"{where}: a relation between {a!r} and itself cannot be judged; remove it")
