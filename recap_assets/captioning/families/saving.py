"""Writing a model and its processor as a folder that `from_pretrained` of transformers reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def save(model: Any, processor: Any, folder: Path, *, half: bool) -> None:
    """Weights (16-bit ones if `half`), tokenizer and image processor, the latter also in the file
    of its own that versions before transformers 5 look for."""
    weights(model, folder, half=half)
    processor.save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)


def weights(model: Any, folder: Path, *, half: bool) -> None:
    """The weights (16-bit ones if `half`) and the configurations."""
    model.save_pretrained(folder, state_dict=_halved(model) if half else None)


def _halved(model: Any) -> dict[str, Any]:
    """The state in 16 bits; tied weights stay one tensor, or they would be stored twice."""
    state = model.state_dict()
    halved = {one.data_ptr(): one.half() for one in state.values() if one.is_floating_point()}
    return {name: halved.get(one.data_ptr(), one) for name, one in state.items()}
