"""What every section of recap.yaml is built of: its base class and the bounded kinds of values."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
ShareBelowOne = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Text = Annotated[str, StringConstraints(min_length=1)]


def several(value: object) -> object:
    """One value as a tuple of it, a list as a tuple."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def in_order(value: object) -> object:
    """Names in one fixed order, so that the order they are written in changes no digest."""
    found = several(value)
    return tuple(sorted(found, key=str)) if isinstance(found, tuple) else found


def as_counts(value: object) -> object:
    """One number or several, ascending and each once."""
    found = (value,) if isinstance(value, int) else several(value)
    whole = isinstance(found, tuple) and all(isinstance(one, int) for one in found)
    return tuple(sorted(set(found))) if whole and isinstance(found, tuple) else found


#: Numbers of steps, ascending and each once.
Steps = Annotated[tuple[Count, ...], BeforeValidator(as_counts)]


class Section(BaseModel):
    """A frozen group of settings that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
