"""LoRA adapters of text-to-image models (Hu et al. 2021, arXiv 2106.09685), as diffusers has them.

A layer W x becomes W x + alpha / rank * B A x, with B zero at the start. The file is the one that
`load_lora_weights` of plain diffusers reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.index import faults, reason
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import seed as seed_of
from recap_assets.experiment.quiet import quiet

if TYPE_CHECKING:
    import torch

FILE = "pytorch_lora_weights.safetensors"
#: The attention of CLIP's text encoders, as in diffusers' training scripts.
_ENCODER = ("q_proj", "k_proj", "v_proj", "out_proj")
_ADAPTER = "default"


def attach(family: Family, parts: Sequence[str], rank: int, alpha: float, seed: int) -> None:
    """Put an adapter into the attention layers of networks (attributes, as of `Family.trained`).

    Nothing changes until it is trained. A is drawn from `seed` on the CPU, alike on every machine
    and whatever else is attached. Of these networks only the adapter's weights keep a gradient.
    """
    import torch
    from peft import LoraConfig

    for part in parts:
        module: Any = family.modules()[part]
        targets = family.lora if part == family.denoiser else _ENCODER
        config = LoraConfig(
            r=rank,
            lora_alpha=alpha,  # type: ignore[arg-type]  # any number scales
            init_lora_weights="gaussian",
            target_modules=list(targets),
        )
        device = next(module.parameters()).device
        module.to("cpu")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of("lora", seed, part))
            module.add_adapter(config, adapter_name=_ADAPTER)
        module.to(device)


def parameters(family: Family) -> dict[str, torch.nn.Parameter]:
    """The weights of the adapter, by network and name."""
    return {
        f"{part}.{name}": parameter
        for part, module in family.modules().items()
        for name, parameter in module.named_parameters()
        if ".lora_" in name
    }


def save(family: Family, folder: Path) -> None:
    """Write the adapter that `attach` made into `folder`, which says nothing of this machine."""
    from peft import get_peft_model_state_dict

    told: dict[str, Any] = {}
    for part, module in family.modules().items():
        configs: dict[str, Any] = getattr(module, "peft_config", {})
        if _ADAPTER in configs:
            layers = get_peft_model_state_dict(module, adapter_name=_ADAPTER)
            unnamed = {"base_model_name_or_path": None}
            told[f"{part}_lora_layers"] = layers
            told[f"{part}_lora_adapter_metadata"] = configs[_ADAPTER].to_dict() | unnamed
    with quiet():
        family.pipeline.save_lora_weights(folder, weight_name=FILE, **told)


def load(family: Family, folder: Path) -> None:
    """Put the adapter in `folder` into the model that it was trained on, ready to draw.

    Raises:
        UserError: if there is none, or if it is pickled, damaged or another model's.
    """
    path = folder / FILE
    try:
        with quiet():
            family.pipeline.load_lora_weights(folder, weight_name=FILE, use_safetensors=True)
        if (found := len(parameters(family))) != (stored := _stored(path)):
            # diffusers leaves out what it finds no layer for.
            raise ValueError(f"it has {stored} weights, of which {found} fit")
    except faults() as error:
        raise UserError(
            f"{path}: not a LoRA of this text-to-image model ({reason(error)}); train it again, or "
            "name the model that it was trained on"
        ) from error
    for module in family.modules().values():
        module.eval().requires_grad_(False)


def _stored(path: Path) -> int:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return len(file.keys())
