"""Loading a text-to-image pipeline from a folder or a hub id, safetensors only."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recap_assets.diffusion.index import cannot_load, faults, folder_index
from recap_assets.diffusion.tokenizer import check_vocabulary
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.quiet import quiet

if TYPE_CHECKING:
    from recap_assets.diffusion.families.family import Family

#: What would change pictures or be loaded for nothing; a pipeline takes those that it knows.
_UNUSED: dict[str, Any] = {
    "safety_checker": None,
    "requires_safety_checker": False,
    "image_encoder": None,
    "feature_extractor": None,
    "add_watermarker": False,
}


def load(model: str | Path, revision: str | None = None, resolution: int | None = None) -> Family:
    """A pipeline in float32 without progress bars, its weights still on the CPU.

    `resolution` overrides the size in pixels of the pictures that it is trained on and draws.

    Raises:
        UserError: if there is no such model, no family serves its kind of pipeline, or its weights
            are pickled (`.bin`), damaged or not complete.
    """
    try:
        family = _from_pretrained(model, revision, resolution)
    except faults() as error:
        raise cannot_load(model, error) from error
    family.pipeline.set_progress_bar_config(disable=True)
    return family


def to_device(family: Family) -> Family:
    """Move the pipeline to the GPU where there is one."""
    import torch

    family.pipeline.to("cuda" if torch.cuda.is_available() else "cpu")
    return family


def _from_pretrained(model: str | Path, revision: str | None, resolution: int | None) -> Family:
    with quiet():
        # Without torchvision transformers tells at length which processors it falls back to.
        import diffusers

    with quiet():
        folder = _folder(model, revision)
        index = folder_index(model, folder)
        networks = {
            part: _network(model, folder, part, index.network(part)) for part in index.parts
        }
        kind = getattr(diffusers, index.pipeline)
        # diffusers wants to be told of parts that a model was saved without.
        absent = dict.fromkeys(index.absent)
        pipeline = kind.from_pretrained(folder, **_unused(kind), **absent, **networks)
    for text in index.texts:
        _check_tokens(
            model, text.encoder, getattr(pipeline, text.tokenizer), networks[text.encoder]
        )
    family = index.family(pipeline, resolution)
    _check_resolution(model, family)
    return family


def _unused(kind: Any) -> dict[str, Any]:
    known = inspect.signature(kind.__init__).parameters
    return {name: value for name, value in _UNUSED.items() if name in known}


def _folder(model: str | Path, revision: str | None) -> Path:
    """The folder itself, or the one that a hub's files are downloaded to."""
    from diffusers import DiffusionPipeline

    folder = Path(model)
    if not folder.is_dir():
        found = DiffusionPipeline.download(str(model), revision=revision, use_safetensors=True)
        folder = Path(found)
    return folder


def _network(model: str | Path, folder: Path, part: str, kind: str) -> Any:
    """A part that has weights, all of them from its file; `kind` is "library.Class"."""
    import diffusers
    import torch
    import transformers

    library, name = kind.split(".")
    module: Any = transformers if library == "transformers" else diffusers
    network, found = getattr(module, name).from_pretrained(
        folder / part, use_safetensors=True, dtype=torch.float32, output_loading_info=True
    )
    missing = sorted(found["missing_keys"])
    if missing:
        # Both libraries would go on with random numbers in their place.
        raise UserError(
            f"text-to-image model {model}: {len(missing)} weights of its {part} are missing, "
            f"{missing[0]} first; save it again"
        )
    return network


def _check_tokens(model: str | Path, part: str, words: Any, encoder: Any) -> None:
    check_vocabulary(model, words)
    tokens, rows = len(words), encoder.config.vocab_size
    if tokens > rows:
        raise UserError(
            f"text-to-image model {model}: its tokenizer has {tokens} tokens, its text encoder "
            f"{rows} ({part}); save the tokenizer it was trained with"
        )


def _check_resolution(model: str | Path, family: Family) -> None:
    if family.resolution % family.grain:
        raise UserError(
            f"t2i.resolution {family.resolution}: text-to-image model {model} draws sides that are "
            f"a multiple of {family.grain}; choose one"
        )
