"""Writing webdataset tars whose bytes depend on nothing but the samples."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError
from recap_assets.images.tars import split_name, unsafe_name

_MODE = 0o644


def write_tar(path: Path, samples: Iterable[Mapping[str, object]]) -> int:
    """Write `samples` to a tar at `path`, whole or not at all, and return their number.

    A sample is what webdataset calls one: `__key__`, and a value per extension: bytes as they are,
    text as UTF-8, anything under `json` as JSON with sorted keys. Other names that start with "_"
    are left out, members are sorted by extension, and times, owners and modes are fixed. Samples
    are streamed, none is kept.

    Raises:
        UserError: if a key or extension would be read back as another one or leads out of a folder,
            a key follows itself, or the disk refuses.
        TypeError: if a value is none of the above.
    """
    count = 0
    last = None
    # webdataset's writer gives the same bytes, at the price of importing torch.
    with (
        atomic.file(path) as temporary,
        temporary.open("wb") as file,
        tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for sample in samples:
            key = str(sample["__key__"])
            if key == last:
                raise UserError(
                    f"{path}: sample {key!r} follows itself, so readers would join both; rename one"
                )
            _add(path, tar, key, sample)
            last = key
            count += 1
    return count


def _add(path: Path, tar: tarfile.TarFile, key: str, sample: Mapping[str, object]) -> None:
    for extension in sorted(sample):
        if extension.startswith("_"):
            continue
        name = f"{key}.{extension}"
        if split_name(name) != (key, extension) or unsafe_name(name):
            raise UserError(
                f"{path}: member name {name!r} would not be read back as it is; use a key without "
                f"dots in its last part and without '..', and a lower-case extension"
            )
        data = _encoded(extension, sample[extension])
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = len(data), _MODE, 0
        tar.addfile(member, io.BytesIO(data))


def _encoded(extension: str, value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8")
    if extension.rpartition(".")[2] == "json":
        return json.dumps(value, ensure_ascii=False, sort_keys=True).encode("utf-8")
    raise TypeError(f"{extension}: bytes or text expected, got {type(value).__name__}")
