"""The training loop of a captioner, for pre-training from endless batches and for fine-tuning.

    captioner = tiny.build(texts)
    batches = ((pictures, ["short caption:"] * len(captions), captions) for ... in ...)
    losses = train(captioner, batches, lr=1e-3, steps=2000, warmup=100, seed=0)

The captioner is trained in place and left in evaluation mode.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from recap_assets.captioning.captioner import Captioner, Pictures

if TYPE_CHECKING:
    import torch

Batch = tuple[Pictures, Sequence[str], Sequence[str]]
IGNORED = -100
#: What may be trained, and the module of a BLIP that it is.
PARTS = {"image_encoder": "vision_model", "text_decoder": "text_decoder"}


class Rows(NamedTuple):
    """Token tensors int64 [N, T]; `labels` is -100 where there is nothing to learn."""

    ids: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor


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
    parts: Sequence[str] = tuple(PARTS),
    progress: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train in place for `steps` batches and return the loss of each (nats per caption token).

    A batch is (pictures uint8 [N, S, S, 3], prefixes, captions). There may be k captions for each
    picture, k * N in all; row i then describes picture i % N, and a picture is encoded once.
    AdamW in float32 with gradients clipped to norm 1; the rate rises linearly over `warmup` steps
    and falls along a cosine to 0 at `steps`. Dropout masks are drawn from `seed`, and nothing else
    is random. `progress(step, loss)` is called after each step, counting from 1. `parts` names the
    weights that move (`PARTS`); the others stay as they are, without dropout.

    Raises ValueError if the batches end before `steps`.
    """
    import torch

    modules = [getattr(captioner.model, PARTS[part]) for part in parts]
    weights = [weight for module in modules for weight in module.parameters()]
    optimizer = torch.optim.AdamW(
        weights, lr=lr, betas=(0.9, 0.98), weight_decay=weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: rate(n, steps, warmup))
    losses: list[float] = []
    with _training(captioner.model, modules, dropout, seed):
        for step, batch in zip(range(1, steps + 1), batches, strict=False):
            optimizer.zero_grad(set_to_none=True)
            loss = _loss(captioner, batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            if progress is not None:
                progress(step, losses[-1])
    if len(losses) < steps:
        raise ValueError(f"the batches ended after {len(losses)} of {steps} steps")
    return losses


def rate(step: int, steps: int, warmup: int) -> float:
    """The share of the peak learning rate for a step, counting from 0."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def rows(captioner: Captioner, prefixes: Sequence[str], captions: Sequence[str]) -> Rows:
    """Tokens to train on: start, prefix, caption, end, padding. Only caption and end are learned.

    Prefix and caption are tokenized apart, as they are when a caption is generated. A row too long
    for the model loses its tail, end token included, so that a cut caption does not teach to stop.
    """
    import torch

    heads = [captioner.prefix(prefix) for prefix in prefixes]
    tails = captioner.tokenizer(list(captions), add_special_tokens=False, verbose=False)[
        "input_ids"
    ]
    full = [
        [*a, *b, captioner.end][: captioner.max_tokens] for a, b in zip(heads, tails, strict=True)
    ]
    width = max(len(row) for row in full)
    shape = (len(full), width)
    ids = torch.full(shape, int(captioner.model.config.text_config.pad_token_id))
    mask, labels = torch.zeros(shape, dtype=torch.long), torch.full(shape, IGNORED)
    for i, (head, row) in enumerate(zip(heads, full, strict=True)):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
        labels[i, len(head) : len(row)] = ids[i, len(head) : len(row)]
    device = captioner.model.device
    return Rows(ids.to(device), mask.to(device), labels.to(device))


def _loss(captioner: Captioner, batch: Batch) -> torch.Tensor:
    pictures, prefixes, captions = batch
    copies, rest = divmod(len(captions), len(pictures))
    if rest or len(prefixes) != len(captions):
        counts = f"{len(pictures)} pictures, {len(prefixes)} prefixes and {len(captions)} captions"
        raise ValueError(f"a batch has {counts}")
    tokens = rows(captioner, prefixes, captions)
    encoded = captioner.model.vision_model(captioner.pixel_values(pictures)).last_hidden_state
    output = captioner.model.text_decoder(
        input_ids=tokens.ids,
        attention_mask=tokens.mask,
        encoder_hidden_states=encoded.repeat(copies, 1, 1),
        labels=tokens.labels,
    )
    loss: torch.Tensor = output.loss
    return loss


@contextmanager
def _training(model: Any, modules: Sequence[Any], dropout: float, seed: int) -> Iterator[None]:
    """Training mode for these modules, every other weight frozen; undone after.

    Dropout is the same everywhere, from a random state of its own.
    """
    import torch

    layers = [m for module in modules for m in module.modules() if isinstance(m, torch.nn.Dropout)]
    before = [layer.p for layer in layers]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for layer in layers:
            layer.p = dropout
        model.eval().requires_grad_(False)
        for module in modules:
            module.train().requires_grad_(True)
        try:
            yield
        finally:
            model.eval().requires_grad_(True)
            for layer, p in zip(layers, before, strict=True):
                layer.p = p
