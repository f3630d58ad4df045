"""What a model's name in recap.yaml means: a model that ships, a folder, or one on a hub."""

from __future__ import annotations

import re
from pathlib import Path

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.keys import check_key

BASE = "base:"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def base_folder() -> Path:
    """The folder of the models that ship, one folder each."""
    return Path(__file__).parents[2] / "data" / "base"


def resolve(model: str, folder: Path = Path(), base: Path | None = None) -> Path | str:
    """The folder of `model`, or its hub id when no such folder exists.

    "base:NAME" is a model that ships, found in `base` (by default `base_folder()`); anything else
    is a folder relative to `folder`, or an id such as "openai/clip-vit-base-patch32".

    Raises:
        UserError: if a shipped model is not there, or `model` is neither a folder nor shaped like
            a hub id.
    """
    if model.startswith(BASE):
        return _shipped(model, base or base_folder())
    local = folder / Path(model).expanduser()
    if local.is_dir():
        return local
    if _HUB_ID.fullmatch(model):
        return model
    raise UserError(
        f"model {model!r}: no such folder seen from {folder.absolute()}; "
        f"correct the path or name a hub id"
    )


def _shipped(model: str, base: Path) -> Path:
    path = base / check_key("base model", model.removeprefix(BASE))
    if not path.is_dir():
        raise UserError(
            f"model {model!r}: {path} is not there; `recap pretrain` makes the base models"
        )
    return path
