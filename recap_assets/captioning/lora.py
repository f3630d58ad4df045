"""LoRA (Hu et al. 2021, arXiv 2106.09685) through peft: an adapter beside a base that stays.

adapter = lora.attach(family, ["text_decoder"], rank=16, alpha=32.0, dropout=0.1, seed=0)
train(captioner, batches, modules=adapter.modules, ...)
adapter.save(folder, "Salesforce/blip-image-captioning-base", revision)

PeftModel.from_pretrained(base, folder)     # peft's own layout: this project is not needed
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recap_assets.captioning.families.family import Family
from recap_assets.captioning.train import parts_of
from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest, file_sha256

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
_NAME = "default"
_INNER = ("lora_A", "lora_B", "lora_dropout")


@dataclass(frozen=True)
class Adapter:
    """An adapter on the layers of a family's model; `peft` is peft's view of that model."""

    peft: Any

    @property
    def modules(self) -> list[Any]:
        """What of the model is the adapter's own, and may be trained."""
        from peft.tuners.lora import LoraLayer

        layers = [one for one in self.peft.modules() if isinstance(one, LoraLayer)]
        return [getattr(layer, name)[_NAME] for layer in layers for name in _INNER]

    def save(self, folder: Path, base: str, revision: str | None) -> None:
        """Write adapter_config.json and adapter_model.safetensors; recap.yaml names `base`."""
        how = self.peft.peft_config[_NAME]
        how.base_model_name_or_path, how.revision = base_name(base), revision
        # No layer of words is adapted; peft would ask a hub for the base's config to find out.
        self.peft.save_pretrained(folder, save_embedding_layers=False)
        told = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        # peft keeps them as a set, whose order differs from process to process.
        told["target_modules"] = sorted(told["target_modules"])
        atomic.write_json(folder / CONFIG, told)


def base_name(model: str) -> str:
    """How an adapter names its base: as recap.yaml does, but without this machine's folders."""
    return Path(model).name if Path(model).is_absolute() else model


def attach(
    family: Family, parts: Sequence[str], *, rank: int, alpha: float, dropout: float, seed: int
) -> Adapter:
    """Put a fresh adapter on `targets` of a family's model, in place; it changes nothing yet.

    The output of a layer W becomes W x + (alpha / rank) B A dropout(x), with A drawn by `seed` and
    B zero. A and B are float32 whatever the precision of W.

    Raises:
        UserError: if the parts have no layer for it.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    names = targets(family, parts)
    if not names:
        raise UserError(
            f"captioner: {' and '.join(parts)} of {type(family.model).__name__} has no linear "
            "layer for LoRA; train another part, or use method: full"
        )
    scale: Any = alpha  # which may be any number, whatever the annotation of peft says
    how = LoraConfig(r=rank, lora_alpha=scale, lora_dropout=dropout, target_modules=names)
    with torch.random.fork_rng(), warnings.catch_warnings():
        # peft asks models for a property that transformers renames.
        warnings.simplefilter("ignore", FutureWarning)
        torch.manual_seed(seed)
        return Adapter(get_peft_model(family.model, how))


def targets(family: Family, parts: Sequence[str]) -> list[str]:
    """The dotted names of the linear layers of these parts: projections of attention and MLPs.

    They are found by walking the model, so no list for each family is needed. The head that chooses
    words is left alone, for its weights are often those that words are read with.
    """
    import torch

    names = {module: name for name, module in family.model.named_modules()}
    heads = {head for model in names if (head := _head(model)) is not None}
    layers = (layer for part in parts_of(family, parts) for layer in part.modules())
    linear = [one for one in layers if isinstance(one, torch.nn.Linear) and one not in heads]
    return [names[layer] for layer in dict.fromkeys(linear)]


def _head(model: Any) -> Any:
    """What a model of transformers chooses words by, if it is one that does."""
    ask = getattr(model, "get_output_embeddings", None)
    return None if ask is None else ask()


def merge(family: Family, folder: Path) -> None:
    """Add a saved adapter to the weights of its base, in place; nothing of peft is left.

    Raises:
        ValueError: if the adapter is not of this model; else what peft and safetensors raise.
    """
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors.torch import load_file

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is told here
        adapted = PeftModel.from_pretrained(family.model, folder)
    known = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    names = set(known) ^ set(load_file(folder / WEIGHTS))
    if names:
        # peft would go on with random weights, or without some.
        raise ValueError(f"{len(names)} weights are not those of an adapter, {min(names)} first")
    family.model = adapted.merge_and_unload(safe_merge=True).eval()


def adapter_digest(base: str, folder: Path) -> str:
    """64 hex digits over the digest of a base model and the content of an adapter to it.

    Raises:
        UserError: if the folder has no adapter in safetensors.
    """
    if not (folder / WEIGHTS).is_file():
        raise UserError(f"captioner {folder}: no {WEIGHTS}; tune it again, or correct the path")
    return digest([base, *(file_sha256(folder / name) for name in (CONFIG, WEIGHTS))])
