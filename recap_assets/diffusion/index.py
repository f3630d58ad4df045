"""What a model's model_index.json tells before anything of it is loaded: its family and parts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recap_assets.diffusion.families.registry import family_of, known
from recap_assets.experiment.errors import UserError

if TYPE_CHECKING:
    from recap_assets.diffusion.families.family import Family, TextPart

_FILE = "model_index.json"


@dataclass(frozen=True)
class Index:
    """The family of a model and the parts with weights that it has.

    pipeline: the class that it is for. parts: attributes of its networks. zeros: whether no prompt
    is zeros to it (`force_zeros_for_empty_prompt`), where it says so.
    """

    family: type[Family]
    pipeline: str
    parts: tuple[str, ...]
    zeros: bool | None

    def network(self, part: str) -> str:
        """The class of a network, "library.Class"."""
        return self.family.networks[part]

    @property
    def texts(self) -> list[TextPart]:
        """The text encoders that it has."""
        return [text for text in self.family.texts if text.encoder in self.parts]

    @property
    def absent(self) -> list[str]:
        """The attributes of the text encoders that it lacks."""
        lacking = [text for text in self.family.texts if text.encoder not in self.parts]
        return [name for text in lacking for name in (text.encoder, text.tokenizer)]

    @property
    def folders(self) -> list[str]:
        """The folders that a complete model has."""
        return [*self.parts, *(text.tokenizer for text in self.texts), "scheduler"]

    @property
    def reader(self) -> TextPart:
        """The text encoder with the longest context; the first of several alike."""
        return self.family.reader(self.parts)


def faults() -> tuple[type[Exception], ...]:
    """What the libraries raise of a model that is missing, damaged or not theirs."""
    from safetensors import SafetensorError

    common = (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError)
    return (*common, SafetensorError)


def cannot_load(model: str | Path, error: Exception) -> UserError:
    """What a user reads of one of `faults`."""
    return UserError(
        f"text-to-image model {model}: cannot be loaded ({reason(error)}); name a folder that "
        "a pipeline's save_pretrained wrote, or a hub id of such a model"
    )


def reason(error: Exception) -> str:
    """The first line of what a library says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def read_index(model: str | Path, revision: str | None = None) -> Index:
    """Of a folder, or of a hub id, whose index alone is downloaded.

    Raises:
        UserError: as `folder_index`, or if the hub has no such model.
    """
    if Path(model).is_dir():
        return folder_index(model, Path(model))
    from diffusers import DiffusionPipeline

    try:
        told = DiffusionPipeline.load_config(str(model), revision=revision)
    except faults() as error:
        raise cannot_load(model, error) from error
    return _index(model, told)


def folder_index(model: str | Path, folder: Path) -> Index:
    """Of a folder that has every part.

    Raises:
        UserError: if it is no pipeline's folder, of a kind that no family serves, or lacks a part.
    """
    path = folder / _FILE
    if not path.is_file():
        raise UserError(
            f"text-to-image model {model}: no model_index.json in it; "
            "name the folder of a diffusers pipeline"
        )
    index = _index(model, _json(path))
    for part in index.folders:
        if not (folder / part).is_dir():
            raise UserError(
                f"text-to-image model {model}: its part {part!r} is missing; save it again"
            )
    return index


def _index(model: str | Path, told: Any) -> Index:
    name = told.get("_class_name") if isinstance(told, dict) else None
    family = family_of(name)
    if family is None or not isinstance(name, str):
        raise UserError(
            f"text-to-image model {model}: its model_index.json names {name!r}; "
            f"name a model for {' or '.join(known())}"
        )
    absent = {part for part in family.optional if not any(told.get(part) or ())}
    parts = tuple(part for part in family.networks if part not in absent)
    return Index(family, name, parts, told.get("force_zeros_for_empty_prompt"))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
