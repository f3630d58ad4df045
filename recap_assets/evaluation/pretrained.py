"""Loads a vision model with the image processor that belongs to it and names it by its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import short
from recap_assets.experiment.quiet import quiet

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Pretrained:
    """A model in evaluation mode, its processor, and `digest`, 64 hex digits of its weights."""

    model: Any
    processor: Any
    digest: str

    @property
    def name(self) -> str:
        """For example "yolos:0123456789ab": model type and the first digits of the weights'
        digest."""
        return f"{self.model.config.model_type}:{short(self.digest)}"

    def pixels(self, pictures: np.ndarray) -> dict[str, torch.Tensor]:
        """The model's inputs for pictures uint8 [N, H, W, 3]."""
        inputs = self.processor(images=list(pictures), return_tensors="pt")
        return dict(inputs.to(self.model.device))


def load(
    kind: Literal["AutoModel", "AutoModelForObjectDetection"],
    model: str | Path,
    revision: str | None = None,
    *,
    may_miss: tuple[str, ...] = (),
) -> Pretrained:
    """Load a folder or a hub id through transformers; safetensors only, pictures prepared with
    Pillow.

    Weights that the files lack are allowed only below the prefixes `may_miss`, and stay out of the
    digest: they are random numbers.

    Raises:
        UserError: if the model is missing, of another kind, or lacks weights that it needs.
    """
    import torch
    import transformers
    from safetensors import SafetensorError

    processors: Any = transformers.AutoImageProcessor
    if isinstance(model, Path) and not model.is_dir():
        raise UserError(f"{model}: no such folder; name a model folder or a hub id")
    try:
        with quiet():
            network, info = getattr(transformers, kind).from_pretrained(
                model,
                revision=revision,
                use_safetensors=True,
                output_loading_info=True,
                dtype=torch.float32,
            )
            processor = processors.from_pretrained(model, revision=revision, backend="pil")
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{model}: {_reason(error)}; name a model folder or a hub id") from error
    missing = [key for key in info["missing_keys"] if not key.startswith(may_miss)]
    if missing:
        raise UserError(
            f"{model}: its files lack weights that {kind} needs ({min(missing)}); "
            "name another model"
        )
    network.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    return Pretrained(network, processor, weights_digest(network, info["missing_keys"]))


def weights_digest(network: torch.nn.Module, without: Collection[str] = ()) -> str:
    """64 hex digits of SHA-256 over the names, types, shapes and bytes of a network's tensors."""
    total = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if name not in without:
            total.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
            total.update(_bytes(tensor))
    return total.hexdigest()


def _bytes(tensor: torch.Tensor) -> bytes:
    import torch

    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes()


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
