"""Image latents of a shard: made once, whatever happens to the captions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError

if TYPE_CHECKING:
    import torch

    from recap_assets.diffusion.families.family import Family


def refresh(
    path: Path,
    uids: Sequence[str],
    pixels: Callable[[Sequence[str]], Iterator[np.ndarray]],
    model: Callable[[], Family],
) -> int:
    """Make the file at `path` hold the latents of exactly `uids`, in their order.

    Returns how many were encoded; latents that the file already has are kept. `pixels` yields
    batches uint8 [N, S, S, 3] of the uids it is given, in their order; neither it nor `model`
    is called when nothing is missing. Raises as `read`.
    """
    import torch

    known = dict(zip(*read(path), strict=True)) if path.exists() else {}
    if path.exists() and list(known) == list(uids):
        return 0
    missing = [uid for uid in uids if uid not in known]
    if missing:
        family = model()
        rows = torch.cat([family.encode_pictures(batch) for batch in pixels(missing)])
        known |= dict(zip(missing, rows, strict=True))
    _write(path, list(uids), [known[uid] for uid in uids])
    return len(missing)


def read(path: Path) -> tuple[list[str], torch.Tensor]:
    """The uids of a shard's file and their latents, float32 [N, C, h, w].

    Raises:
        UserError: if the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            uids, latents = _header(file), file.get_tensor("latents")
        if len(uids) != len(latents):
            raise ValueError(f"{len(uids)} uids for {len(latents)} latents")
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(
            f"{path}: not a file of latents ({error}); delete it, and it is made again"
        ) from error
    return uids, latents


def stored_uids(path: Path) -> list[str] | None:
    """The uids a file has latents of, from its header alone; None where there is no such file."""
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            return _header(file)
    except (OSError, SafetensorError, ValueError):
        return None


def _header(file: Any) -> list[str]:
    uids = json.loads((file.metadata() or {}).get("uids", "null"))
    if not isinstance(uids, list):
        raise ValueError("its header lists no uids")
    return uids


def _write(path: Path, uids: list[str], rows: list[torch.Tensor]) -> None:
    import torch
    from safetensors.torch import save

    data = torch.stack(rows).contiguous() if rows else torch.zeros(0)
    atomic.write_bytes(path, save({"latents": data}, {"uids": json.dumps(uids)}))
