"""Rows of BLIP's text decoder in a grid of pictures and rows, for the compiled step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recap_assets.captioning.families.blip_compiled import Buffers, CompiledDecoder, Size
from recap_assets.captioning.families.blip_layer import New, forward, heads
from recap_assets.captioning.families.blip_text import looks
from recap_assets.captioning.families.family import Decoding
from recap_assets.captioning.families.padding import Rows, pad
from recap_assets.captioning.families.sharing import Grid, Ragged

if TYPE_CHECKING:
    import torch

_LEAST_PICTURES = 8
_ROOM = 32


class GridDecoding(Decoding):
    """As `TextDecoding`, by a compiled step. Rows that are done are carried along until half of the
    pictures are."""

    def __init__(
        self,
        decoder: CompiledDecoder,
        encoded: torch.Tensor,
        at: torch.Tensor,
        prompts: Sequence[Sequence[int]],
        limit: int,
    ) -> None:
        self.prompts = prompts
        self._decoder = decoder
        rows = pad(prompts, int(decoder.decoder.config.pad_token_id), "left")
        sharing = Ragged.of(at.to(encoded.device), len(encoded))
        room = -(-(rows.ids.shape[1] + limit) // _ROOM) * _ROOM
        pictures = _rounded(len(encoded))
        self._size = Size(pictures, sharing.grid.most, room, encoded.shape[1])
        # Where each row stands in the grid.
        self._cells = sharing.cells
        self._fill(encoded, rows)

    def step(self, tokens: torch.Tensor) -> None:
        self._buffers.ids[self._cells, 0] = tokens
        self.logits = self._decoder.step(self._size)[self._cells]

    def keep(self, rows: torch.Tensor) -> None:
        import torch

        self._cells = self._cells[rows]
        pictures, renumbered = torch.unique(self._cells // self._size.most, return_inverse=True)
        size = self._size._replace(pictures=_rounded(len(pictures)))
        if size.pictures > self._size.pictures // 2:
            return
        self._cells = renumbered * size.most + self._cells % size.most
        spare = pictures[:1].expand(size.pictures - len(pictures))
        self._move(size, torch.cat([pictures, spare]))

    @property
    def _buffers(self) -> Buffers:
        return self._decoder.buffers(self._size, self.logits)

    def _move(self, size: Size, pictures: torch.Tensor) -> None:
        """Go on in the buffers of another size with these pictures, int64."""
        import torch

        old, new = self._buffers, self._decoder.buffers(size, self.logits)
        slots = torch.arange(size.most, device=pictures.device)
        rows = (pictures[:, None] * size.most + slots).flatten()
        new.place.copy_(old.place)
        for name in ("there", "ids", "own"):
            getattr(new, name).copy_(getattr(old, name)[rows])
        for before, after in zip(old.caches, new.caches, strict=True):
            after.keys.copy_(before.keys[rows])
            after.values.copy_(before.values[rows])
            after.shown_keys.copy_(before.shown_keys[pictures])
            after.shown_values.copy_(before.shown_values[pictures])
        self._size = size

    def _fill(self, encoded: torch.Tensor, rows: Rows) -> None:
        """Put pictures and prompts into the buffers, and renew the logits."""
        import torch

        buffers, decoder = self._decoder.buffers(self._size, encoded), self._decoder.decoder
        length = rows.ids.shape[1]
        ids = torch.zeros((self._size.rows, length), dtype=torch.long, device=encoded.device)
        ids[self._cells] = rows.ids.to(encoded.device)
        buffers.there.fill_(True)
        buffers.there[self._cells, :length] = rows.mask.to(encoded.device) == 1
        own = buffers.there[:, :length].cumsum(-1)
        buffers.place.fill_(length)
        buffers.own.copy_(own[:, -1:])
        states = decoder.bert.embeddings(input_ids=ids, position_ids=(own - 1).clamp(min=0))
        places = torch.arange(length, device=encoded.device)
        new = New(places, length, looks(buffers.there[:, :length], 0))
        grid = Grid(self._size.pictures, self._size.most)
        for layer, cache in zip(decoder.bert.encoder.layer, buffers.caches, strict=True):
            cross = layer.crossattention.self
            cache.shown_keys[: len(encoded)] = heads(cross, cross.key(encoded))
            cache.shown_values[: len(encoded)] = heads(cross, cross.value(encoded))
            states = forward(layer, states, cache, new, grid)
        self.logits = decoder.cls(states[:, -1:])[self._cells, -1]


def _rounded(pictures: int) -> int:
    """The next power of two, so that few sizes occur."""
    return max(_LEAST_PICTURES, 1 << (pictures - 1).bit_length())
