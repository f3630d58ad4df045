"""The files of a captioner: where they are, their digest, and whether loading them is safe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from recap_assets.captioning.families import registry
from recap_assets.captioning.fetch import fetch
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest, folder_digest

_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
# One of these per kind of tokenizer that a family may bring.
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model")


class Files(NamedTuple):
    """A model folder on this disk, 64 hex digits that name its content, and its model's class."""

    folder: Path
    digest: str
    architecture: str


def locate(model: str | Path, revision: str | None = None, *, code: bool = False) -> Files:
    """The files of a folder, or of a hub id at a revision (fetched if the cache has them not).

    A folder's digest is over its content; that of a hub model over its id and commit, because the
    hub's cache may hold a part of its files only. code: whether the model may bring code along.

    Raises:
        UserError: if it is not there, is no captioner of a supported family, or has no safetensors.
    """
    folder = fetch("captioner", model, revision, code=code)
    name = f"{model}" if revision is None else f"{model} at {revision}"
    architecture = _architecture(name, folder)
    _check_weights(name, folder)
    _check_tokenizer(name, folder)
    if Path(model).is_dir():
        return Files(folder, folder_digest(folder), architecture)
    return Files(folder, digest({"hub": str(model), "commit": folder.name}), architecture)


def _architecture(name: str, folder: Path) -> str:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        families = config.get("architectures") or [config.get("model_type", "unknown")]
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(
            f"captioner {name}: not a model folder (no readable config.json); "
            "name a folder that save_pretrained wrote"
        ) from error
    architecture = registry.supported(families)
    if architecture is None:
        raise UserError(
            f"captioner {name}: its family {', '.join(map(str, families))} is not supported; "
            f"use one of {', '.join(registry.FAMILIES)}"
        )
    return architecture


def _check_weights(name: str, folder: Path) -> None:
    lacking = sorted(file for file in _shards(folder) if not (folder / file).exists())
    if lacking:
        raise UserError(
            f"captioner {name}: {len(lacking)} of its weight files are missing, {lacking[0]} "
            "first; fetch or save it again"
        )
    if any(folder.glob("*.safetensors")):
        return
    pickled = any(any(folder.glob(pattern)) for pattern in _PICKLED)
    reason = "pickled weights can run any code" if pickled else "it has no weights"
    raise UserError(
        f"captioner {name}: no .safetensors file ({reason}); "
        "name a revision that has one, or convert it with save_pretrained"
    )


def _shards(folder: Path) -> set[str]:
    """The files that an index of sharded weights names; none without an index."""
    index = folder / "model.safetensors.index.json"
    try:
        return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return set()


def _check_tokenizer(name: str, folder: Path) -> None:
    if not any((folder / file).exists() for file in _TOKENIZERS):
        # transformers would go on with a tokenizer that knows no words.
        raise UserError(
            f"captioner {name}: no tokenizer ({' or '.join(_TOKENIZERS[:2])}); "
            "save the tokenizer into the same folder"
        )
