"""Loading a captioner from a folder or a hub id, once for each content in a process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recap_assets.captioning.captioner import Captioner, device
from recap_assets.captioning.files import Files, locate
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.quiet import quiet

_KEPT = 2
_loaded: dict[str, Captioner] = {}


def load(model: str | Path, revision: str | None = None) -> Captioner:
    """The captioner in evaluation mode, float32, on the GPU if there is one.

    The last two captioners stay in memory, so that shard after shard is captioned with one load:
    do not train what this returns, `tune` trains a copy.

    Raises:
        UserError: as `files.locate`, and if the files are damaged or do not fit together.
    """
    files = locate(model, revision)
    captioner = _loaded.pop(files.digest, None) or _read(model, files)
    _loaded[files.digest] = captioner
    while len(_loaded) > _KEPT:
        del _loaded[next(iter(_loaded))]
    return captioner


def _read(model: str | Path, files: Files) -> Captioner:
    from safetensors import SafetensorError

    try:
        with quiet():
            return _from_pretrained(model, files)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"captioner {model}: its files cannot be loaded ({reason}); fetch or save it again"
        ) from error


def _from_pretrained(model: str | Path, files: Files) -> Captioner:
    import torch
    from transformers import AutoImageProcessor, AutoTokenizer, BlipForConditionalGeneration

    blip: Any = BlipForConditionalGeneration
    processors: Any = AutoImageProcessor
    safe = {"trust_remote_code": False, "local_files_only": True}
    weights, found = blip.from_pretrained(
        files.folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **safe
    )
    missing = sorted(found["missing_keys"])
    if missing:
        # transformers would go on with random numbers in their place.
        raise UserError(
            f"captioner {model}: {len(missing)} weights are missing, {missing[0]} first; "
            "use the checkpoint of a captioner, not of another BLIP task"
        )
    tokenizer = AutoTokenizer.from_pretrained(files.folder, **safe)
    if len(tokenizer) > weights.config.text_config.vocab_size:
        raise UserError(
            f"captioner {model}: its tokenizer has {len(tokenizer)} tokens, the model "
            f"{weights.config.text_config.vocab_size}; save the tokenizer it was trained with"
        )
    # torchvision would be asked for otherwise.
    processor = processors.from_pretrained(files.folder, backend="pil", **safe)
    return Captioner(weights.eval().to(device()), tokenizer, processor, files.digest)
