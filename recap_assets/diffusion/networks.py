"""The weights of a text-to-image model: fetched from a hub, and read completely or not at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from recap_assets.diffusion.index import no_hub
from recap_assets.experiment.errors import UserError

#: A variant that many models are published in; it is read as float32 like any other.
_HALF = "fp16"
_FILE = re.compile(r"\w+?(?:\.(?P<variant>\w+))?(?:-\d{5}-of-\d{5})?\.safetensors")


def download(kind: Any, model: str, revision: str | None, without: dict[str, Any]) -> Path:
    """The folder in the hub's cache with what a pipeline of class `kind` needs of a hub id.

    Without pickles, and without the parts in `without`. The half-precision files are fetched only
    where there are no others.

    Raises:
        UserError: if the hub does not give it.
    """
    how = {"revision": revision, "use_safetensors": True, **without}
    try:
        try:
            return Path(kind.download(model, **how))
        except OSError as error:
            if "safetensors" not in str(error):
                raise
            return Path(kind.download(model, **how, variant=_HALF))
    except Exception as error:
        # Besides its own errors the hub's client lets those of the network through.
        raise no_hub(model, error, revision) from error


def network(model: str | Path, folder: Path, part: str, kind: str) -> Any:
    """A part that has weights, all of them from its files, in float32; `kind` is "library.Class".

    Raises:
        UserError: if some are missing.
    """
    import diffusers
    import torch
    import transformers

    library, name = kind.split(".")
    module: Any = transformers if library == "transformers" else diffusers
    found, told = getattr(module, name).from_pretrained(
        folder / part,
        use_safetensors=True,
        variant=_variant(folder / part),
        dtype=torch.float32,
        output_loading_info=True,
    )
    missing = sorted(told["missing_keys"])
    if missing:
        # Both libraries would go on with random numbers in their place.
        raise UserError(
            f"text-to-image model {model}: {len(missing)} weights of its {part} are missing, "
            f"{missing[0]} first; save it again"
        )
    return found


def _variant(folder: Path) -> str | None:
    """Of the files in a folder, None where there are some of no variant."""
    matches = [_FILE.fullmatch(path.name) for path in folder.glob("*.safetensors")]
    variants = {match["variant"] for match in matches if match}
    return None if None in variants or len(variants) != 1 else variants.pop()
