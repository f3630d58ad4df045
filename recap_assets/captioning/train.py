"""The training loop of a captioner, for pre-training from endless batches and for fine-tuning.

    captioner = tiny.build(texts)
    batches = ((read(captioner, pictures), range(n), ["short caption:"] * n, captions) for ...)
    losses = train(captioner, batches, lr=1e-3, steps=2000, warmup=100, seed=0)

The captioner is trained in place and left in evaluation mode.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.dropout import dropping
from recap_assets.captioning.families.family import Family, Inputs
from recap_assets.experiment.errors import UserError

Batch = tuple[Inputs, Sequence[int], Sequence[str], Sequence[str]]
PARTS = ("image_encoder", "text_decoder")


def train(
    captioner: Captioner,
    batches: Iterable[Batch],
    *,
    lr: float,
    steps: int,
    warmup: int = 0,
    dropout: float = 0.0,
    weight_decay: float = 0.01,
    seed: int = 0,
    modules: Sequence[Any] | None = None,
    arithmetic: Callable[[], AbstractContextManager[Any]] = nullcontext,
    progress: Callable[[int, float], None] | None = None,
    watch: Callable[[int], bool] | None = None,
) -> list[float]:
    """Train in place for `steps` batches and return the loss of each (nats per caption token).

    A batch is (what the model reads of N pictures, the picture that each row is of, prompts,
    captions), as `Family.loss` takes them; a picture is encoded once for all its rows.
    AdamW with gradients clipped to norm 1; the rate rises linearly over `warmup` steps and falls
    along a cosine to 0 at `steps`. Dropout masks are drawn from `seed`, and nothing else is random.

    Args:
        modules: those whose weights move, by default all `parts_of` the family; the others stay as
            they are, without dropout.
        arithmetic: a context for each forward pass, such as autocast; by default that of the
            weights.
        progress: called with (step, loss) after each step, counting from 1.
        watch: called after each step with its number; True ends the training there.

    Raises:
        UserError: if the loss is no number any more.
        ValueError: if the batches end before `steps`.
    """
    import torch

    family = captioner.family
    moving = parts_of(family, PARTS) if modules is None else modules
    # Tied weights are in two modules; the optimizer takes them once.
    weights = list(dict.fromkeys(weight for module in moving for weight in module.parameters()))
    optimizer = torch.optim.AdamW(
        weights, lr=lr, betas=(0.9, 0.98), weight_decay=weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: rate(n, steps, warmup))
    losses: list[float] = []
    with _training(family.model, moving, dropout, seed):
        for step, batch in zip(range(1, steps + 1), batches, strict=False):
            optimizer.zero_grad(set_to_none=True)
            with arithmetic():
                loss = family.loss(*batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise UserError(f"the loss is {losses[-1]} at step {step}; lower lr, now {lr:g}")
            if progress is not None:
                progress(step, losses[-1])
            if watch is not None and watch(step):
                return losses
    if len(losses) < steps:
        raise ValueError(f"the batches ended after {len(losses)} of {steps} steps")
    return losses


def parts_of(family: Family, parts: Sequence[str]) -> list[Any]:
    """The modules that these of `PARTS` are in a family's model."""
    return [family.model.get_submodule(name) for part in parts for name in family.parts[part]]


def rate(step: int, steps: int, warmup: int) -> float:
    """The share of the peak learning rate for a step, counting from 0."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Evaluation mode inside the block; every module is as it was after it."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


@contextmanager
def _training(model: Any, modules: Sequence[Any], dropout: float, seed: int) -> Iterator[None]:
    """Training mode for these modules, every other weight frozen; undone after.

    Dropout is the same everywhere, from a random state of its own.
    """
    import torch

    with torch.random.fork_rng(), dropping(modules, dropout):
        torch.manual_seed(seed)
        model.eval().requires_grad_(False)
        for module in modules:
            module.train().requires_grad_(True)
        try:
            yield
        finally:
            model.eval().requires_grad_(True)
