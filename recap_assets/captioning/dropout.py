"""Dropout of one strength everywhere in the parts of a model that are tuned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

#: Probabilities that modules hold as numbers and hand to torch's functional dropout themselves
#: (attention of most families, BART's layers), and one that would drop whole branches at random.
_NUMBERS = ("dropout", "attention_dropout", "activation_dropout")
_BRANCHES = "drop_prob"


@contextmanager
def dropout(modules: Sequence[Any], p: float) -> Iterator[None]:
    """Inside the block everything in `modules` that drops values drops them with probability `p`.

    Stochastic depth (whole branches of a picture's encoder) is off: a small human set is seen too
    often for it to average out.
    """
    places = [place for module in modules for one in module.modules() for place in _places(one)]
    before = [getattr(owner, name) for owner, name in places]
    for owner, name in places:
        setattr(owner, name, 0.0 if name == _BRANCHES else p)
    try:
        yield
    finally:
        for (owner, name), value in zip(places, before, strict=True):
            setattr(owner, name, value)


def _places(module: Any) -> list[tuple[Any, str]]:
    """The module with each of its attributes that is a probability to drop something."""
    import torch

    if isinstance(module, torch.nn.Dropout):
        return [(module, "p")]
    held = vars(module)
    return [(module, name) for name in (*_NUMBERS, _BRANCHES) if isinstance(held.get(name), float)]
