"""The files of a captioner: where they are, their digest, and whether loading them is safe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from recap_assets.captioning.families import registry
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest, folder_digest

# Without pickles: neither *.bin nor *.pt is ever fetched.
_WANTED = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]
# One of these per kind of tokenizer that a family may bring.
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model")


class Files(NamedTuple):
    """A model folder on this disk, 64 hex digits that name its content, and its model's class."""

    folder: Path
    digest: str
    architecture: str


def locate(model: str | Path, revision: str | None = None) -> Files:
    """The files of a folder, or of a hub id at a revision (fetched if the cache has them not).

    A folder's digest is over its content; that of a hub model over its id and commit, because the
    hub's cache may hold a part of its files only.

    Raises:
        UserError: if it is not there, is no captioner of a supported family, or has no safetensors.
    """
    if Path(model).is_dir():
        folder = Path(model)
        architecture = _check(model, folder)
        return Files(folder, folder_digest(folder), architecture)
    if isinstance(model, Path):
        raise UserError(f"captioner {model}: there is no such folder; correct the path")
    folder = _fetch(model, revision)
    architecture = _check(model, folder)
    return Files(folder, digest({"hub": model, "commit": folder.name}), architecture)


def _fetch(model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=_WANTED))
    except (OSError, ValueError) as error:
        name = model if revision is None else f"{model} at {revision}"
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"captioner {name}: neither a folder nor to be had from the hub ({reason}); "
            "correct the name, or download the model and name its folder"
        ) from error


def _check(model: str | Path, folder: Path) -> str:
    """The architecture of a folder that may be loaded."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        families = config.get("architectures") or [config.get("model_type", "unknown")]
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(
            f"captioner {model}: not a model folder (no readable config.json); "
            "name a folder that save_pretrained wrote"
        ) from error
    architecture = registry.supported(families)
    if architecture is None:
        raise UserError(
            f"captioner {model}: its family {', '.join(map(str, families))} is not supported; "
            f"use one of {', '.join(registry.FAMILIES)}"
        )
    if not any(folder.glob("*.safetensors")):
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        reason = "pickled weights can run any code" if pickled else "it has no weights"
        raise UserError(
            f"captioner {model}: no .safetensors file ({reason}); "
            "name a revision that has one, or convert it with save_pretrained"
        )
    if not any((folder / name).exists() for name in _TOKENIZERS):
        # transformers would go on with a tokenizer that knows no words.
        raise UserError(
            f"captioner {model}: no tokenizer ({' or '.join(_TOKENIZERS[:2])}); "
            "save the tokenizer into the same folder"
        )
    return architecture
