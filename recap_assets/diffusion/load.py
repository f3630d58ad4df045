"""Loading a text-to-image pipeline from a folder or a hub id, safetensors only."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recap_assets.diffusion.index import cannot_load, faults, folder_index, read_index
from recap_assets.diffusion.networks import download, network
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

    index = read_index(model, revision)
    kind = getattr(diffusers, index.pipeline)
    # diffusers wants to be told of parts that a model was saved without, too.
    without = _unused(kind) | dict.fromkeys(index.absent)
    with quiet():
        folder = Path(model)
        if not folder.is_dir():
            folder = download(kind, str(model), revision, without)
            index = folder_index(model, folder)
        networks = {part: network(model, folder, part, index.network(part)) for part in index.parts}
        pipeline = kind.from_pretrained(folder, **without, **networks)
    for text in index.texts:
        _check_tokens(
            model, text.encoder, getattr(pipeline, text.tokenizer), networks[text.encoder]
        )
    family = index.family(pipeline, resolution)
    _check_parts(model, family)
    _check_resolution(model, family)
    return family


def _unused(kind: Any) -> dict[str, Any]:
    known = inspect.signature(kind.__init__).parameters
    return {name: value for name, value in _UNUSED.items() if name in known}


def _check_tokens(model: str | Path, part: str, words: Any, encoder: Any) -> None:
    check_vocabulary(model, words)
    tokens, rows = len(words), encoder.config.vocab_size
    if tokens > rows:
        raise UserError(
            f"text-to-image model {model}: its tokenizer has {tokens} tokens, its text encoder "
            f"{rows} ({part}); save the tokenizer it was trained with"
        )


def _check_parts(model: str | Path, family: Family) -> None:
    for what, (one, other) in family.joints().items():
        if one != other:
            raise UserError(
                f"text-to-image model {model}: its parts do not fit each other ({what} {one} and "
                f"{other}); save it with the parts it was trained with"
            )


def _check_resolution(model: str | Path, family: Family) -> None:
    if family.resolution % family.grain:
        raise UserError(
            f"t2i.resolution {family.resolution}: text-to-image model {model} draws sides that are "
            f"a multiple of {family.grain}; choose one"
        )
