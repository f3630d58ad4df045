"""A file of some captions' embeddings, read row by row.

A safetensors file: `keys` uint8 [N, 32]; for each name of the embedding its rows of all captions,
without the zeros at the end of a caption, one after the other ([sum of rows, D]), and under
"name.starts", int64 [N + 1], where each caption's rows begin. Embeddings that are one row a caption
([N, D]) are stored as they are. The header has the number of rows that each caption is to have.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError

if TYPE_CHECKING:
    import torch

    from recap_assets.diffusion.families.family import Text

_STARTS = ".starts"


class Segment:
    """An existing file, its weights left on the disk until they are asked for.

    keys: of the captions in their order, 32 bytes each.

    Raises:
        UserError: if it is damaged.
    """

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        try:
            self._file: Any = safe_open(path, framework="pt")
            self._read_index()
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"{path}: not a file of text embeddings ({reason}); delete it, and it is made again"
            ) from error

    def read(self, row: int) -> Text:
        """The embedding of one caption, without the first dimension."""
        import torch

        found: Text = {}
        for name, stored in self._stored.items():
            if name not in self._starts:
                found[name] = stored[row : row + 1][0]
                continue
            first, end = self._starts[name][row], self._starts[name][row + 1]
            kept = stored[first:end]
            zeros = torch.zeros(self._rows[name] - len(kept), kept.shape[1], dtype=kept.dtype)
            found[name] = torch.cat([kept, zeros])
        return found

    def _read_index(self) -> None:
        names = set(self._file.keys())
        self.keys = [bytes(row) for row in self._file.get_tensor("keys").numpy()]
        self._rows: dict[str, int] = json.loads(self._file.metadata()["rows"])
        self._starts = {name: self._file.get_tensor(name + _STARTS).tolist() for name in self._rows}
        self._stored = {
            name: self._file.get_slice(name)
            for name in sorted(names - {"keys"})
            if not name.endswith(_STARTS)
        }
        for name, stored in self._stored.items():
            last = self._starts[name][-1] if name in self._starts else len(self.keys)
            if stored.get_shape()[0] != last:
                raise ValueError(f"{stored.get_shape()[0]} rows of {name} where {last} belong")


def write(folder: Path, keys: list[bytes], text: Text) -> Path:
    """Write the embeddings of some captions into a new file, named for them.

    Raises:
        UserError: if the disk refuses.
    """
    import torch
    from safetensors.torch import save

    tensors = {"keys": torch.frombuffer(bytearray(b"".join(keys)), dtype=torch.uint8).view(-1, 32)}
    rows: dict[str, int] = {}
    for name, tensor in text.items():
        if tensor.ndim == 2:
            tensors[name] = tensor.contiguous()
            continue
        tensors[name], tensors[name + _STARTS] = _without_zeros(tensor)
        rows[name] = tensor.shape[1]
    path = folder / f"{hashlib.sha256(b''.join(keys)).hexdigest()[:32]}.safetensors"
    atomic.write_bytes(path, save(tensors, {"rows": json.dumps(rows)}))
    return path


def _without_zeros(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows of [N, L, D] up to each caption's last one that is not all zeros, and where each
    caption's begin, [N + 1]."""
    import torch

    told = tensor.ne(0).any(-1)
    places = torch.arange(1, told.shape[1] + 1)
    lengths = (told * places).amax(1)
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    return tensor[places <= lengths[:, None]], starts
