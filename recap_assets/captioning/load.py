"""Loading a captioner from a folder or a hub id, once for each content in a process."""

from __future__ import annotations

from pathlib import Path

from recap_assets.captioning.captioner import Captioner, device
from recap_assets.captioning.families import registry
from recap_assets.captioning.files import Files, locate
from recap_assets.captioning.lora import adapter_digest, merge
from recap_assets.experiment.captioner_settings import Captioner as Settings
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.quiet import quiet

_KEPT = 2
#: Settings that say which model to load or how to use it, but not how it is loaded.
_BESIDE = {"model", "revision", "tune", "batch", "endpoint"}
_loaded: dict[tuple[str, str], Captioner] = {}


def load(
    model: str | Path, settings: Settings | None = None, adapter: Path | None = None
) -> Captioner:
    """The captioner in evaluation mode, in its precision, on the GPU if there is one.

    Args:
        model: a folder, or a hub id of which `settings.revision` is taken.
        settings: those of recap.yaml, by default all defaults.
        adapter: the folder of a LoRA adapter in peft's layout, which is merged into the model.

    The last two captioners stay in memory, so that shard after shard is captioned with one load:
    do not train what this returns, `tune` trains a copy.

    Raises:
        UserError: as `files.locate`, and if the files are damaged or do not fit together.
    """
    how = settings or Settings(model=str(model))
    files = locate(model, how.revision, code=how.trust_remote_code)
    if adapter is not None:
        files = files._replace(digest=adapter_digest(files.digest, adapter))
    key = (files.digest, how.model_dump_json(exclude=_BESIDE))
    captioner = _loaded.pop(key, None) or _read(adapter or model, files, how, adapter)
    _loaded[key] = captioner
    while len(_loaded) > _KEPT:
        del _loaded[next(iter(_loaded))]
    return captioner


def _read(named: str | Path, files: Files, settings: Settings, adapter: Path | None) -> Captioner:
    from safetensors import SafetensorError

    try:
        with quiet():
            family = registry.family(files.architecture).load(files.folder, settings)
            if adapter is not None:
                merge(family, adapter)
            family.model.to(device())
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"captioner {named}: its files cannot be loaded ({reason}); fetch or save it again"
        ) from error
    return Captioner(family, settings, files.digest)
