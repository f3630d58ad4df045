"""A model's folder: the one that was named, or a hub id's files in the hub's own cache."""

from __future__ import annotations

from pathlib import Path

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.hub import why_not

# Without pickles: neither *.bin nor *.pt is ever fetched.
_WANTED = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]


def fetch(what: str, model: str | Path, revision: str | None = None, *, code: bool = False) -> Path:
    """The folder of `model`, fetched at a revision if it is a hub id that the cache has not.

    what: what the model is for, as an error names it. code: fetch the Python files too.

    Raises:
        UserError: if there is no such folder, or the hub does not give it.
    """
    if Path(model).is_dir():
        return Path(model)
    if isinstance(model, Path):
        raise UserError(f"{what} {model}: there is no such folder; correct the path")
    from huggingface_hub import snapshot_download

    wanted = [*_WANTED, "*.py"] if code else _WANTED
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=wanted))
    except Exception as error:
        # Besides its own errors the hub's client lets those of the network through.
        name = model if revision is None else f"{model} at {revision}"
        raise UserError(f"{what} {name}: {why_not(error, revision)}") from error
