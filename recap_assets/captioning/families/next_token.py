"""The loss of text that is predicted token by token."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from recap_assets.captioning.families.padding import IGNORED

if TYPE_CHECKING:
    import torch


def nats(
    head: Callable[[torch.Tensor], torch.Tensor], hidden: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Mean cross-entropy of the labels that are not -100, int64 [R, L], each under the state before
    it, [R, L, D]. `head` makes logits of states, and only of those that predict something."""
    import torch.nn.functional as functional

    told = labels[:, 1:]
    learned = told != IGNORED
    return functional.cross_entropy(head(hidden[:, :-1][learned]).float(), told[learned])
