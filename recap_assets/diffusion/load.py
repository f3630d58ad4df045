"""Loading a text-to-image pipeline from a folder or a hub id, safetensors only."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest, folder_digest
from recap_assets.experiment.quiet import quiet

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from transformers import PreTrainedTokenizerBase

_UNUSED: dict[str, Any] = {"safety_checker": None, "requires_safety_checker": False}
#: The parts that the safety checker's optional folders do not belong to.
_PARTS = ("vae", "unet", "text_encoder", "tokenizer", "scheduler")
_NETWORKS = {
    "vae": "AutoencoderKL",
    "unet": "UNet2DConditionModel",
    "text_encoder": "CLIPTextModel",
}


def load(model: str | Path, revision: str | None = None) -> StableDiffusionPipeline:
    """A StableDiffusionPipeline in float32 without progress bars, its weights still on the CPU.

    Raises:
        UserError: if there is no such model, it is another kind of pipeline, or its weights are
            pickled (`.bin`), damaged or not complete.
    """
    from safetensors import SafetensorError

    faults = (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError)
    try:
        pipeline = _from_pretrained(model, revision)
    except (*faults, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"text-to-image model {model}: cannot be loaded ({reason}); name a folder that "
            "StableDiffusionPipeline.save_pretrained wrote, or a hub id of such a model"
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def to_device(pipeline: StableDiffusionPipeline) -> StableDiffusionPipeline:
    """Move the pipeline to the GPU where there is one."""
    import torch

    return pipeline.to("cuda" if torch.cuda.is_available() else "cpu")


def model_digest(model: str | Path, revision: str | None = None) -> str:
    """What identifies a base model: the content of its folder, or its hub id and revision."""
    return folder_digest(model) if Path(model).is_dir() else digest([str(model), revision])


def latents_digest(model: str | Path, revision: str | None = None) -> str:
    """What decides a picture's latents: the model's autoencoder and the size that it draws."""
    part = Path(model) / "vae"
    if not part.is_dir():
        return model_digest(model, revision)
    try:
        told = json.loads((Path(model) / "unet" / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        told = {}  # loading the model will say what is wrong with it
    return digest([folder_digest(part), told.get("sample_size")])


def tokenizer(model: str | Path, revision: str | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer alone, which counts tokens without loading the model.

    Raises:
        UserError: if it cannot be loaded.
    """
    folder = Path(model)
    if not folder.is_dir():
        return _tokenizer(str(model), revision, "")
    _check_folder(model, folder)
    return _tokenizer(str(model), revision, folder_digest(folder / "tokenizer"))


@lru_cache(maxsize=4)
def _tokenizer(model: str, revision: str | None, content: str) -> PreTrainedTokenizerBase:
    """`content` has a folder that changed read again."""
    from transformers import CLIPTokenizer

    try:
        words = CLIPTokenizer.from_pretrained(model, subfolder="tokenizer", revision=revision)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"text-to-image model {model}: no usable tokenizer ({reason})") from error
    _check_vocabulary(model, words)
    return words


def _from_pretrained(model: str | Path, revision: str | None) -> StableDiffusionPipeline:
    with quiet():
        # Without torchvision transformers tells at length which processors it falls back to.
        from diffusers import StableDiffusionPipeline

    with quiet():
        folder = _folder(model, revision)
        networks = {part: _network(model, folder, part) for part in _NETWORKS}
        pipeline = StableDiffusionPipeline.from_pretrained(folder, **_UNUSED, **networks)
    _check_vocabulary(model, pipeline.tokenizer)
    words, rows = len(pipeline.tokenizer), pipeline.text_encoder.config.vocab_size
    if words > rows:
        raise UserError(
            f"text-to-image model {model}: its tokenizer has {words} tokens, its text encoder "
            f"{rows}; save the tokenizer it was trained with"
        )
    return pipeline


def _folder(model: str | Path, revision: str | None) -> Path:
    """The folder itself, or the one that a hub's files are downloaded to."""
    from diffusers import StableDiffusionPipeline

    folder = Path(model)
    if not folder.is_dir():
        found = StableDiffusionPipeline.download(
            str(model), revision=revision, use_safetensors=True, **_UNUSED
        )
        folder = Path(found)
    _check_folder(model, folder)
    return folder


def _network(model: str | Path, folder: Path, part: str) -> Any:
    """A part that has weights, all of them from its file."""
    import diffusers
    import torch
    import transformers

    library: Any = transformers if part == "text_encoder" else diffusers
    network, found = getattr(library, _NETWORKS[part]).from_pretrained(
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


def _check_vocabulary(model: str | Path, words: PreTrainedTokenizerBase) -> None:
    if not set(words.get_vocab()) - set(words.all_special_tokens):
        # transformers makes an empty tokenizer where it finds no file of it.
        raise UserError(
            f"text-to-image model {model}: no usable tokenizer (it has no vocabulary); "
            "name a model that has one"
        )


def _check_folder(model: str | Path, folder: Path) -> None:
    index = folder / "model_index.json"
    if not index.is_file():
        raise UserError(
            f"text-to-image model {model}: no model_index.json in it; "
            "name the folder of a diffusers pipeline"
        )
    if _kind(index) != "StableDiffusionPipeline":
        raise UserError(
            f"text-to-image model {model}: its model_index.json names {_kind(index)!r}; "
            "name a model for StableDiffusionPipeline"
        )
    for part in _PARTS:
        if not (folder / part).is_dir():
            raise UserError(
                f"text-to-image model {model}: its part {part!r} is missing; save it again"
            )


def _kind(index: Path) -> object:
    try:
        found = json.loads(index.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return found.get("_class_name") if isinstance(found, dict) else None
