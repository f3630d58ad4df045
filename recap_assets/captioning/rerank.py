"""Which of several captions fits a picture best, by a model of pictures and texts such as CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recap_assets.captioning.captioner import device
from recap_assets.captioning.families import loading
from recap_assets.captioning.families.family import Inputs
from recap_assets.captioning.families.pixels import PixelReader, Scaling
from recap_assets.captioning.fetch import fetch
from recap_assets.experiment.captioner_settings import Captioner as Settings
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.quiet import quiet

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Reranker:
    """A dual encoder: pictures and texts go to the same space (CLIP, SigLIP and their kin)."""

    model: Any
    tokenizer: Any
    image_processor: Any

    @property
    def reader(self) -> PixelReader:
        """What it reads of pictures."""
        return PixelReader(self.image_processor)

    def fit(self, inputs: Inputs, at: Sequence[int], texts: Sequence[str]) -> list[float]:
        """The cosine of each text and its picture, `texts[r]` and number `at[r]` of the inputs.

        Each picture and each different text is embedded once.
        """
        import torch

        with torch.inference_mode():
            pictures = self._pictures(inputs)
            different = list(dict.fromkeys(texts))
            said = dict(zip(different, self._texts(different), strict=True))
            rows = torch.stack([said[text] for text in texts])
            cosines: list[float] = (pictures[list(at)] * rows).sum(-1).tolist()
        return cosines

    def _pictures(self, inputs: Inputs) -> torch.Tensor:
        pixels = Scaling.of(self.image_processor)(inputs["pixel_values"], self.model.device)
        return _unit(self.model.get_image_features(pixel_values=pixels))

    def _texts(self, texts: list[str]) -> torch.Tensor:
        """A text too long for the model is cut."""
        config = self.model.config
        most = int(config.text_config.max_position_embeddings)
        # SigLIP was trained with texts that were all filled up.
        padding = "max_length" if config.model_type.startswith("siglip") else "longest"
        tokens = self.tokenizer(
            texts, padding=padding, truncation=True, max_length=most, return_tensors="pt"
        )
        wanted = [name for name in ("input_ids", "attention_mask") if name in tokens]
        there = {name: tokens[name].to(self.model.device) for name in wanted}
        return _unit(self.model.get_text_features(**there))


def _unit(made: Any) -> torch.Tensor:
    vectors: torch.Tensor = made.pooler_output.float()
    return vectors / vectors.norm(dim=-1, keepdim=True)


@lru_cache(maxsize=1)
def load(model: str | Path) -> Reranker:
    """The reranker of a folder or hub id, float32, on the GPU if there is one; one is kept.

    Raises:
        UserError: if it is not there, or is no model of pictures and texts with safetensors.
    """
    folder = fetch("reranker", model)
    try:
        with quiet():
            return _read(folder)
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"reranker {model}: cannot be loaded ({reason}); name a CLIP or SigLIP model"
        ) from error


def _read(folder: Path) -> Reranker:
    from transformers import AutoModel

    settings = Settings(model=str(folder))
    model = loading.weights(AutoModel, folder, settings).to(device())
    if not hasattr(model, "get_text_features") or not hasattr(model, "get_image_features"):
        raise ValueError(f"{type(model).__name__} does not embed pictures and texts")
    tokenizer = loading.tokenizer(folder, settings)
    return Reranker(model, tokenizer, loading.image_processor(folder, settings))
