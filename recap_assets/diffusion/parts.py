"""The weights of a pipeline that a training moves, by names that stay the same."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from recap_assets.diffusion import lora
from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.settings import TrainSettings

if TYPE_CHECKING:
    import torch


class Trainable:
    """The networks that move, or adapters put into them; every other weight is frozen.

    parameters: those that move, by network and name, in a fixed order.
    """

    def __init__(self, family: Family, settings: TrainSettings) -> None:
        every = family.modules()
        parts = family.trained(settings.train)
        self._modules = {part: every[part] for part in parts}
        for module in every.values():
            module.eval().requires_grad_(False)
        if settings.method == "lora":
            lora.attach(family, parts, settings.rank, settings.alpha, settings.seed)
        for module in self._modules.values():
            module.train()
            if settings.method == "full":
                module.requires_grad_(True)
            _checkpointing(module, settings.gradient_checkpointing)
        self.parameters: dict[str, torch.nn.Parameter] = dict(self._named())

    def _named(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        for part, module in self._modules.items():
            for name, parameter in module.named_parameters():
                if parameter.requires_grad:
                    yield f"{part}.{name}", parameter

    def freeze(self) -> None:
        """Leave training mode."""
        for module in self._modules.values():
            module.eval().requires_grad_(False)
            _checkpointing(module, False)


def park(family: Family, used: Collection[str]) -> None:
    """Take the networks that training does not use off the device, for they need its memory."""
    for part, module in family.modules().items():
        if part not in used:
            module.to("cpu")


def _checkpointing(module: Any, on: bool) -> None:
    """Say whether activations are computed again in the backward pass."""
    if hasattr(module, "enable_gradient_checkpointing"):  # diffusers
        (module.enable_gradient_checkpointing if on else module.disable_gradient_checkpointing)()
    elif on:
        module.activation_checkpointing_enable()
    else:
        module.activation_checkpointing_disable()
