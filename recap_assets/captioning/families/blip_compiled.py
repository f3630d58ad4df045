"""BLIP's text decoder with a compiled step: buffers of fixed sizes in fixed places, few shapes.

A compiled step (on a GPU a graph that is replayed) knows one shape and one place in memory. So
sizes are rounded up, and the buffers of a size are used again from batch to batch, by one decoding
at a time.
"""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from recap_assets.captioning.families.blip_layer import Cache, New, forward
from recap_assets.captioning.families.sharing import Grid
from recap_assets.experiment.compiler import compiler

if TYPE_CHECKING:
    import torch


class Size(NamedTuple):
    """Pictures, rows of each, tokens of a row, and patches of a picture."""

    pictures: int
    most: int
    room: int
    patches: int

    @property
    def rows(self) -> int:
        return self.pictures * self.most


class Buffers(NamedTuple):
    """What a step reads and writes.

    there: which tokens are no padding, bool [R, room]. ids: the new tokens, int64 [R, 1].
    place: where they stand, int64 [1]. own: the same without the padding, int64 [R, 1].
    """

    there: torch.Tensor
    ids: torch.Tensor
    place: torch.Tensor
    own: torch.Tensor
    caches: list[Cache]


class CompiledDecoder:
    """A text decoder whose step is compiled once for each size."""

    def __init__(self, decoder: Any) -> None:
        import torch

        mode = "reduce-overhead" if decoder.device.type == "cuda" else "default"
        self.decoder = decoder
        self._compiled = torch.compile(self._step, dynamic=False, fullgraph=True, mode=mode)
        self._buffers: dict[Size, Buffers] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledDecoder:
        """For the copied decoder, with nothing compiled yet."""
        return CompiledDecoder(copy.deepcopy(self.decoder, memo))

    def step(self, size: Size) -> torch.Tensor:
        """The logits [R, V] after one more token of each row in the buffers of a size.

        They are gone with the next step.

        Raises:
            UserError: if this machine cannot compile.
        """
        import torch

        buffers = self._buffers[size]
        torch.compiler.cudagraph_mark_step_begin()
        with compiler("compile", "decoding step"):
            logits: torch.Tensor = self._compiled(buffers, Grid(size.pictures, size.most))
        buffers.place.add_(1)
        last = self.decoder.config.max_position_embeddings - 1
        buffers.own.add_(1).clamp_(max=last)
        return logits

    def buffers(self, size: Size, like: torch.Tensor) -> Buffers:
        """The buffers of a size; what they hold is left from before."""
        if size not in self._buffers:
            if any(other[1:] != size[1:] for other in self._buffers):
                self.release()
            self._buffers[size] = self._made(size, like)
        return self._buffers[size]

    def release(self) -> None:
        """Give the buffers up."""
        self._buffers.clear()

    def _made(self, size: Size, like: torch.Tensor) -> Buffers:
        import torch

        layers = self.decoder.bert.encoder.layer
        own = layers[0].attention.self
        heads, width = own.num_attention_heads, own.attention_head_size
        mine = (size.rows, heads, size.room, width)
        shown = (size.pictures, heads, size.patches, width)
        count = partial(torch.zeros, dtype=torch.long, device=like.device)
        buffers = Buffers(
            torch.zeros((size.rows, size.room), dtype=torch.bool, device=like.device),
            count((size.rows, 1)),
            count(1),
            count((size.rows, 1)),
            [Cache(*(like.new_zeros(of) for of in (mine, mine, shown, shown))) for _ in layers],
        )
        for tensor in (*buffers[:4], *(one for cache in buffers.caches for one in cache)):
            torch._dynamo.mark_static_address(tensor)
        return buffers

    def _step(self, buffers: Buffers, grid: Grid) -> torch.Tensor:
        import torch

        room = buffers.there.shape[1]
        past = torch.arange(room, device=buffers.place.device) <= buffers.place
        new = New(buffers.place, room, (buffers.there & past)[:, None, None])
        states = self.decoder.bert.embeddings(input_ids=buffers.ids, position_ids=buffers.own)
        for layer, cache in zip(self.decoder.bert.encoder.layer, buffers.caches, strict=True):
            states = forward(layer, states, cache, new, grid)
        logits: torch.Tensor = self.decoder.cls(states)[:, -1]
        return logits
