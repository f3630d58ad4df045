"""One rate of dropout for all of a model that is trained, however its layers hold it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

# Where layers of transformers hold a rate as a number, to be handed to a function.
_RATES = ("dropout", "attention_dropout", "activation_dropout")
# Stochastic depth drops whole layers: it is off, for it is no dropout of this rate.
_DEPTH = "drop_prob"


@contextmanager
def dropping(modules: Sequence[Any], rate: float) -> Iterator[None]:
    """Inside the block every dropout within `modules` has this rate, and its own again after it.

    A layer that has no place for dropout gets none; whether one drops is for its mode to say.
    """
    places = [place for module in modules for inner in module.modules() for place in _places(inner)]
    before = [getattr(*place) for place in places]
    try:
        for layer, name in places:
            setattr(layer, name, 0.0 if name == _DEPTH else rate)
        yield
    finally:
        for (layer, name), own in zip(places, before, strict=True):
            setattr(layer, name, own)


def _places(layer: Any) -> list[tuple[Any, str]]:
    """The attributes of one layer that are a rate of dropout."""
    import torch

    if isinstance(layer, torch.nn.Dropout):
        return [(layer, "p")]
    names = (*_RATES, _DEPTH)
    return [(layer, name) for name in names if type(getattr(layer, name, None)) in (int, float)]
