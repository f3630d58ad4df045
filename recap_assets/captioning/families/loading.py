"""What families load in the same way: weights, tokenizers, image processors. Nothing runs code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recap_assets.experiment.captioner_settings import Captioner as Settings


def weights(kind: Any, folder: Path, settings: Settings) -> Any:
    """The model of class `kind` in evaluation mode, in the settings' precision, on the CPU.

    Raises:
        ValueError: if weights are missing; transformers would go on with random numbers.
    """
    import torch

    model, found = kind.from_pretrained(
        folder,
        use_safetensors=True,
        dtype=getattr(torch, settings.precision),
        output_loading_info=True,
        **safe(settings),
    )
    missing = sorted(found["missing_keys"])
    if missing:
        raise ValueError(f"{len(missing)} weights are missing, {missing[0]} first")
    return model.eval()


def tokenizer(folder: Path, settings: Settings) -> Any:
    """The tokenizer that was saved beside the weights."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, **safe(settings))


def image_processor(folder: Path, settings: Settings) -> Any:
    """The image processor, by Pillow, whether torchvision is installed or not."""
    from transformers import AutoImageProcessor

    kind: Any = AutoImageProcessor
    return kind.from_pretrained(folder, backend="pil", **safe(settings))


def check_vocabulary(tokenizer: Any, model: Any) -> None:
    """Raises ValueError if the tokenizer has tokens that the model has no embedding of."""
    known = int(model.get_input_embeddings().num_embeddings)
    if len(tokenizer) > known:
        raise ValueError(
            f"its tokenizer has {len(tokenizer)} tokens, the model {known}; "
            "save the tokenizer it was trained with"
        )


def ends(model: Any) -> frozenset[int]:
    """The tokens that end a text, by the settings that the model generates with.

    Raises:
        ValueError: if they name none.
    """
    told = model.generation_config.eos_token_id
    if told is None:
        raise ValueError("its generation_config.json names no eos_token_id")
    return frozenset([told] if isinstance(told, int) else told)


def safe(settings: Settings) -> dict[str, bool]:
    """Arguments of `from_pretrained` for a folder that is already here."""
    return {"trust_remote_code": settings.trust_remote_code, "local_files_only": True}
