"""AdamW with gradients held to length one: fused, its rate set anew every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from recap_assets.diffusion.schedule import learning_rate
from recap_assets.diffusion.settings import TrainSettings

if TYPE_CHECKING:
    import torch

_MOMENTS = ("exp_avg", "exp_avg_sq")


class Optimizer:
    """Moves the parameters, which it knows by name; its state can be taken out and put back."""

    def __init__(
        self, parameters: Mapping[str, torch.nn.Parameter], settings: TrainSettings
    ) -> None:
        import torch

        self._named, self._settings = dict(parameters), settings
        self._adam = torch.optim.AdamW(
            self._named.values(), lr=settings.lr, weight_decay=settings.weight_decay, fused=True
        )

    def gradients(self) -> list[torch.Tensor]:
        """The gradients that there are."""
        return [p.grad for p in self._named.values() if p.grad is not None]

    def step(self, number: int) -> None:
        """Follow the gradients at the rate of step `number`, and forget them."""
        import torch

        for group in self._adam.param_groups:
            group["lr"] = learning_rate(number, self._settings)
        torch.nn.utils.clip_grad_norm_(self._named.values(), 1.0)
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)

    def state(self) -> dict[str, torch.Tensor]:
        """The moments, by kind and parameter; those of parameters that never moved are missing."""
        return {
            f"{moment}.{name}": self._adam.state[parameter][moment]
            for name, parameter in self._named.items()
            for moment in _MOMENTS
            if moment in self._adam.state[parameter]
        }

    def restore(self, state: Mapping[str, torch.Tensor], steps: int) -> None:
        """Put back what `state` gave after so many steps."""
        import torch

        for name, parameter in self._named.items():
            kept = {m: state[f"{m}.{name}"] for m in _MOMENTS if f"{m}.{name}" in state}
            if kept:
                copies = {m: tensor.to(parameter.device, copy=True) for m, tensor in kept.items()}
                count = torch.tensor(float(steps), device=parameter.device)
                self._adam.state[parameter] = {"step": count, **copies}
