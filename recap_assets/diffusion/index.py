"""What a model's model_index.json tells before anything of it is loaded: its family and parts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recap_assets.diffusion.families.registry import family_of, known
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.hub import why_not

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
        return self.family.absent(self.parts)

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
    if isinstance(model, Path):
        raise UserError(f"text-to-image model {model}: there is no such folder; correct the path")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        path = Path(hf_hub_download(model, _FILE, revision=revision))
    except EntryNotFoundError as error:
        if isinstance(error, LocalEntryNotFoundError):  # nobody asked the hub
            raise no_hub(model, error, revision) from error
        raise _no_index(model) from error
    except Exception as error:
        raise no_hub(model, error, revision) from error
    return _index(model, _json(path))


def no_hub(model: str, error: Exception, revision: str | None) -> UserError:
    """What a user reads where the hub's client raised `error`."""
    name = model if revision is None else f"{model} at {revision}"
    return UserError(f"text-to-image model {name}: {why_not(error, revision)}")


def folder_index(model: str | Path, folder: Path) -> Index:
    """Of a folder that has every part.

    Raises:
        UserError: if it is no pipeline's folder, of a kind that no family serves, or lacks a part.
    """
    path = folder / _FILE
    if not path.is_file():
        raise _no_index(model)
    index = _index(model, _json(path))
    for part in index.folders:
        if not (folder / part).is_dir():
            raise UserError(
                f"text-to-image model {model}: its part {part!r} is missing; save it again"
            )
    return index


def _no_index(model: str | Path) -> UserError:
    return UserError(
        f"text-to-image model {model}: no model_index.json in it; "
        "name the folder or hub id of a diffusers pipeline"
    )


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
