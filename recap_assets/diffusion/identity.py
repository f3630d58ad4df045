"""What identifies a text-to-image model, whole and in the parts that caches depend on."""

from __future__ import annotations

import json
from pathlib import Path

from recap_assets.diffusion.index import folder_index, read_index
from recap_assets.experiment.fingerprint import digest, folder_digest, model_digest


def latents_digest(
    model: str | Path, revision: str | None = None, resolution: int | None = None
) -> str:
    """What decides a picture's latents: the model's autoencoder and the size that it draws.

    Raises:
        UserError: if a folder is no text-to-image model.
    """
    folder = Path(model)
    size = None if resolution is None else f"{resolution} pixels"
    if (folder / "vae").is_dir():
        return digest([folder_digest(folder / "vae"), size or _sample_size(model, folder)])
    whole = model_digest(model, revision)
    return digest([whole, size]) if size else whole


def texts_digest(model: str | Path, revision: str | None, precision: str) -> str:
    """What decides the embedding of a caption: text encoders, tokenizers, their contexts.

    Of encoders that are not trained, in a precision as of `T2I`.

    Raises:
        UserError: if a folder is no text-to-image model.
    """
    folder = Path(model)
    if not folder.is_dir():
        return digest([model_digest(model, revision), precision])
    index = read_index(model)
    parts = [
        [part.limit, folder_digest(folder / part.encoder), folder_digest(folder / part.tokenizer)]
        for part in index.texts
    ]
    return digest([index.family.__name__, index.zeros, parts, precision])


def tokenizer_digest(model: str | Path, revision: str | None = None) -> str:
    """What decides how the tokens of a caption are counted; see `tokenizer`.

    Raises:
        UserError: if a folder is no text-to-image model.
    """
    if not Path(model).is_dir():
        return model_digest(model, revision)
    return folder_digest(Path(model) / read_index(model).reader.tokenizer)


def _sample_size(model: str | Path, folder: Path) -> object:
    """The denoiser's own, in latents."""
    denoiser = folder_index(model, folder).family.denoiser
    try:
        told = json.loads((folder / denoiser / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # loading the model will say what is wrong with it
    return told.get("sample_size")
