"""The state of a training on disk: what a run that was stopped goes on from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError

if TYPE_CHECKING:
    import torch

_LOSSES = "losses"


@dataclass(frozen=True)
class State:
    """A training after `step` steps.

    tensors: weights, moments and average by name. losses: of each step so far. left_out: as
    `Order.left_out`. seconds: how long it took to get here.
    """

    step: int
    tensors: dict[str, torch.Tensor]
    losses: list[float] = field(default_factory=list)
    left_out: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Saves:
    """One file, which each save replaces when it is complete.

    version: what decides the weights; a state of another version is never read.
    """

    path: Path
    version: str

    def step(self) -> int | None:
        """How far the saved training was, from the file's header; None where there is none."""
        told = self._told()
        return None if told is None else int(told["step"])

    def read(self) -> State | None:
        """The saved state, its tensors mapped from the file; None where there is none.

        Raises:
            UserError: if the file is damaged.
        """
        from safetensors.torch import load_file

        told = self._told()
        if told is None:
            return None
        tensors = load_file(self.path)
        losses = tensors.pop(_LOSSES).tolist()
        left_out = {int(epoch): count for epoch, count in told["left_out"].items()}
        return State(told["step"], tensors, losses, left_out, told["seconds"])

    def write(self, state: State) -> None:
        """Put `state` in the place of the last save.

        Raises:
            UserError: if the disk refuses; the last save is then as it was.
        """
        import torch
        from safetensors.torch import save_file

        told = {
            "version": self.version,
            "step": state.step,
            "left_out": state.left_out,
            "seconds": state.seconds,
        }
        tensors = {name: tensor.detach().cpu() for name, tensor in state.tensors.items()}
        tensors[_LOSSES] = torch.tensor(state.losses, dtype=torch.float64)
        with atomic.file(self.path) as temporary:
            save_file(tensors, temporary, {"state": json.dumps(told)})

    def drop(self) -> None:
        """Forget the save and its folder."""
        self.path.unlink(missing_ok=True)
        if self.path.parent.is_dir() and not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()

    def _told(self) -> dict[str, Any] | None:
        from safetensors import SafetensorError, safe_open

        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="numpy") as file:
                told = json.loads((file.metadata() or {})["state"])
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            raise UserError(
                f"{self.path}: not a state of a training ({error}); delete it, and training "
                "starts again"
            ) from error
        return told if told["version"] == self.version else None
