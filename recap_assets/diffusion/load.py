"""Loading a text-to-image pipeline from a folder or a hub id, safetensors only."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest, folder_digest
from recap_assets.experiment.quiet import quiet

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from transformers import PreTrainedTokenizerBase

#: The parts that the safety checker's optional folders do not belong to.
_PARTS = ("vae", "unet", "text_encoder", "tokenizer", "scheduler")


def load(model: str | Path, revision: str | None = None) -> StableDiffusionPipeline:
    """A StableDiffusionPipeline in float32 without progress bars, its weights still on the CPU.

    Raises:
        UserError: if there is no such model, it is another kind of pipeline, or its weights are
            pickled (`.bin`).
    """
    import torch

    with quiet():
        # Without torchvision transformers tells at length which processors it falls back to.
        from diffusers import StableDiffusionPipeline

    _check_folder(model)
    try:
        with quiet():
            pipeline = StableDiffusionPipeline.from_pretrained(
                str(model),
                revision=revision,
                use_safetensors=True,
                dtype=torch.float32,
                safety_checker=None,
                requires_safety_checker=False,
            )
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
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


def autoencoder_digest(model: str | Path, revision: str | None = None) -> str:
    """What identifies the model's autoencoder, and so the latents made with it."""
    part = Path(model) / "vae"
    return folder_digest(part) if part.is_dir() else model_digest(model, revision)


def tokenizer(model: str | Path, revision: str | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer alone, which counts tokens without loading the model.

    Raises:
        UserError: if it cannot be loaded.
    """
    _check_folder(model)
    return _tokenizer(str(model), revision)


@lru_cache(maxsize=4)
def _tokenizer(model: str, revision: str | None) -> PreTrainedTokenizerBase:
    from transformers import CLIPTokenizer

    try:
        return CLIPTokenizer.from_pretrained(model, subfolder="tokenizer", revision=revision)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"text-to-image model {model}: no usable tokenizer ({reason})") from error


def _check_folder(model: str | Path) -> None:
    folder = Path(model)
    if not folder.is_dir():
        return
    if not (folder / "model_index.json").is_file():
        raise UserError(
            f"text-to-image model {model}: no model_index.json in it; "
            "name the folder of a diffusers pipeline"
        )
    for part in _PARTS:
        if not (folder / part).is_dir():
            raise UserError(
                f"text-to-image model {model}: its part {part!r} is missing; save it again"
            )
