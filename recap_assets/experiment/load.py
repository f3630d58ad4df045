"""From a recap.yaml to a checked `Config`, with one line for whatever is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from recap_assets.experiment.config import Config
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.layers import Layer, merged, read_layers
from recap_assets.experiment.nearest import did_you_mean

_UNKNOWN = "extra_forbidden"
_LONGEST = 60
_KINDS = {
    "model_type": "should be a mapping",
    "dict_type": "should be a mapping",
    "tuple_type": "should be a list",
    "int_type": "should be a whole number",
    "float_type": "should be a number",
    "string_type": "should be text",
}


def load_config(path: Path) -> Config:
    """Read the settings file at `path` over the presets it extends.

    Types are strict: a number in quotes is no number. Paths inside stay as written, relative to
    this file whichever layer they come from.

    Raises:
        UserError: naming the file, the dotted place and the way out, if anything in it is wrong.
    """
    layers = read_layers(path)
    try:
        return Config.model_validate_json(json.dumps(merged(layers)), strict=True)
    except ValidationError as error:
        # An unknown key is told first: a missing one is often the same key, misspelt.
        first = min(error.errors(include_url=False), key=lambda found: found["type"] != _UNKNOWN)
        told = _told(first).replace("\n", " ")
        raise UserError(f"{_origin(first['loc'], layers)}: {told}") from error


def _told(found: ErrorDetails) -> str:
    place = found["loc"]
    match found["type"]:
        case "value_error":
            return str(found.get("ctx", {})["error"])
        case "extra_forbidden":
            hint = did_you_mean(str(place[-1]), _known_keys(place[:-1]))
            inside = f"{_dotted(place[:-1])}: " if place[:-1] else ""
            return f"{inside}unknown key {place[-1]!r}{hint}"
        case "missing":
            return f"{_dotted(place)}: is required and not there; add it"
        case _:
            reason = _KINDS.get(found["type"]) or found["msg"].replace("Input should", "should")
            cure = "quote it" if found["type"] == "string_type" else "correct it"
            return f"{_dotted(place)}: {reason}, not {_shown(found['input'])}; {cure}"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _dotted(place: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def _origin(place: tuple[int | str, ...], layers: list[Layer]) -> str:
    """The name of the nearest file that says something at `place`, else of the project's own."""
    return next(
        (layer.name for layer in layers if place and _says(layer.settings, place)), layers[0].name
    )


def _says(settings: object, place: tuple[int | str, ...]) -> bool:
    for part in place:
        if isinstance(settings, list) or isinstance(part, int):
            return True
        if not isinstance(settings, Mapping) or part not in settings:
            return False
        settings = settings[part]
    return True


def _known_keys(place: tuple[int | str, ...]) -> list[str]:
    """The keys of the section at `place`, found by walking the types of `Config`."""
    section: Any = Config
    for part in place:
        if isinstance(section, type) and issubclass(section, BaseModel):
            section = section.model_fields[str(part)].annotation
        else:
            section = get_args(section)[1]
        if get_origin(section) in (Union, UnionType):
            section = get_args(section)[0]
    return list(section.model_fields)
