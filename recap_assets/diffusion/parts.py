"""The weights of a pipeline that a training moves, by names that stay the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from recap_assets.diffusion.families.family import Family
from recap_assets.experiment.errors import UserError

if TYPE_CHECKING:
    import torch

TEXT = "text_encoder"


def check(family: Family, names: Sequence[str]) -> None:
    """Refuse names of weights that the model does not have.

    Raises:
        UserError: naming those that it has.
    """
    known = known_parts(family)
    for name in names:
        if name not in known:
            raise UserError(
                f"train: the model has no {name}; of this one name {' or '.join(known)}"
            )


def known_parts(family: Family) -> list[str]:
    """What `train` may name of the model."""
    return [family.denoiser, *([TEXT] if any(text.trainable for text in family.texts) else [])]


def modules(family: Family, names: Sequence[str]) -> dict[str, Any]:
    """The networks that `names` stand for, by attribute of the pipeline. Raises as `check`."""
    check(family, names)
    encoders = [text.encoder for text in family.texts if text.trainable]
    attributes = [one for name in names for one in (encoders if name == TEXT else [name])]
    return {one: getattr(family.pipeline, one) for one in attributes}


class Trainable:
    """The networks that move, in training mode; every other weight is frozen.

    parameters: those with a gradient, by network and name, in a fixed order.
    """

    def __init__(self, family: Family, names: Sequence[str], checkpointing: bool) -> None:
        self._modules = modules(family, names)
        for module in networks(family):
            module.eval().requires_grad_(False)
        for module in self._modules.values():
            module.train().requires_grad_(True)
            _checkpointing(module, checkpointing)
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


def networks(family: Family) -> list[Any]:
    """Every network of the pipeline."""
    import torch

    return [x for x in family.pipeline.components.values() if isinstance(x, torch.nn.Module)]


def _checkpointing(module: Any, on: bool) -> None:
    """Say whether activations are computed again in the backward pass."""
    if hasattr(module, "enable_gradient_checkpointing"):  # diffusers
        (module.enable_gradient_checkpointing if on else module.disable_gradient_checkpointing)()
    elif on:
        module.activation_checkpointing_enable()
    else:
        module.activation_checkpointing_disable()
