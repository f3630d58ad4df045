"""A copy of a captioner that learns: all weights of some parts, or an adapter on them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recap_assets.captioning import lora
from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.train import evaluating, parts_of
from recap_assets.experiment.captioner_settings import Tune
from recap_assets.experiment.fingerprint import seed as seed_of
from recap_assets.experiment.quiet import quiet

#: Copies of weights, in the order of `Student.weights`.
Snapshot = list[Any]


@dataclass(frozen=True)
class Student:
    """What learns, and how it is kept.

    modules: what of the model moves. adapter: where these are its; None where they are the model's.
    widened: weights that are float32 while it learns, each with the type that it has else.
    """

    captioner: Captioner
    modules: list[Any]
    adapter: lora.Adapter | None
    widened: list[tuple[Any, Any]]

    @classmethod
    def of(cls, base: Captioner, how: Tune) -> Student:
        """A copy of `base`, which stays as it is, ready to be tuned.

        Raises:
            UserError: as `lora.attach`.
        """
        pupil = Captioner(copy.deepcopy(base.family), base.settings)
        if how.method == "full":
            widened = _widen(pupil, ("bfloat16", "float16"))
            return cls(pupil, parts_of(pupil.family, how.train), None, widened)
        widened = _widen(pupil, ("float16",))
        adapter = lora.attach(
            pupil.family,
            how.train,
            rank=how.rank,
            alpha=how.alpha,
            dropout=how.dropout,
            seed=seed_of("captioner adapter", how.seed),
        )
        return cls(pupil, adapter.modules, adapter, widened)

    @property
    def weights(self) -> list[Any]:
        """The weights that move."""
        return [weight for module in self.modules for weight in module.parameters()]

    def arithmetic(self) -> AbstractContextManager[Any]:
        """That of a forward pass: bfloat16 over float32 weights where that is the precision."""
        import torch

        if not self.widened or self.captioner.settings.precision != "bfloat16":
            return nullcontext()
        return torch.autocast(self.captioner.family.device.type, torch.bfloat16)

    def snapshot(self) -> Snapshot:
        """The weights as they are now, on the CPU."""
        return [weight.detach().to("cpu", copy=True) for weight in self.weights]

    def restore(self, snapshot: Snapshot) -> None:
        """Make the weights what they were."""
        import torch

        with torch.no_grad():
            for weight, kept in zip(self.weights, snapshot, strict=True):
                weight.copy_(kept)

    @contextmanager
    def ready(self) -> Iterator[Captioner]:
        """The captioner as it will be used, in its precision and in evaluation mode; learning goes
        on after the block where it was."""
        kept = self.snapshot() if self.widened else []
        with evaluating(self.captioner.family.model):
            self._narrow()
            yield self.captioner
        for weight, _ in self.widened:
            weight.data = weight.data.float()
        if self.widened:
            self.restore(kept)

    def finish(self) -> None:
        """Leave the captioner in its precision; it learns no more."""
        self._narrow()
        self.widened.clear()

    def _narrow(self) -> None:
        for weight, kind in self.widened:
            weight.grad = None
            weight.data = weight.data.to(kind)

    def save(self, folder: Path) -> None:
        """Write the model as it will be used, or the adapter in peft's layout."""
        how = self.captioner.settings
        with quiet():
            if self.adapter is not None:
                self.adapter.save(folder, how.model, how.revision)
                return
            with self.ready() as captioner:
                captioner.family.save(folder)


def _widen(captioner: Captioner, precisions: tuple[str, ...]) -> list[tuple[Any, Any]]:
    """Make weights of these precisions float32: in 16 bits small steps are lost, and in float16
    gradients vanish."""
    import torch

    if captioner.settings.precision not in precisions:
        return []
    own = [(one, one.dtype) for one in captioner.family.model.parameters()]
    widened = [(weight, kind) for weight, kind in own if kind in (torch.bfloat16, torch.float16)]
    for weight, _ in widened:
        weight.data = weight.data.float()
    return widened
