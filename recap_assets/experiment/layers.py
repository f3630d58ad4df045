"""Reading a settings file and the presets it extends, nearest first."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.merge import merge
from recap_assets.experiment.nearest import did_you_mean
from recap_assets.experiment.yaml_text import parse

_PRESETS = Path(__file__).with_name("presets")


class Layer(NamedTuple):
    """One settings file: the name errors call it by, and what it says itself."""

    name: str
    settings: dict[str, Any]


def preset_names() -> list[str]:
    """The presets that ship, sorted."""
    return sorted(file.stem for file in _PRESETS.glob("*.yaml"))


def read_layers(path: Path) -> list[Layer]:
    """The file at `path`, then what it extends, then what that extends.

    Raises:
        UserError: if a file is missing or not settings, a preset is unknown, or files extend each
            other in a ring.
    """
    layers: list[Layer] = []
    seen: list[Path] = []
    following: Path | None = path.absolute()
    while following is not None:
        if following.resolve() in seen:
            raise UserError(
                f"{layers[-1].name}: extends: {_name(following)} already extends it; break the ring"
            )
        seen.append(following.resolve())
        settings = _read(following)
        extends = settings.pop("extends", None)
        layers.append(Layer(_name(following), settings))
        following = None if extends is None else _extended(extends, following)
    return layers


def merged(layers: list[Layer]) -> dict[str, Any]:
    """The settings of all layers as one tree, nearer files over farther ones."""
    return reduce(merge, (layer.settings for layer in reversed(layers)), dict[str, Any]())


def _read(path: Path) -> dict[str, Any]:
    name = _name(path)
    try:
        return parse(path.read_text(encoding="utf-8-sig"), name)
    except OSError as error:
        raise UserError(
            f"{name}: cannot be read ({error.strerror}); `recap init` writes one"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name}: is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error


def _extended(extends: object, file: Path) -> Path:
    """The file that `extends:` in `file` means: a preset's name, or a path relative to `file`."""
    name = _name(file)
    if not isinstance(extends, str):
        raise UserError(
            f"{name}: extends: names one preset or file, not {extends!r}; write 'extends: scenes'"
        )
    if extends.endswith((".yaml", ".yml")):
        path = file.parent / Path(extends).expanduser()
        if not path.is_file():
            raise UserError(f"{name}: extends: no file {extends!r} beside it; correct the path")
        return path
    presets = preset_names()
    if extends not in presets:
        raise UserError(
            f"{name}: extends: no preset {extends!r}{did_you_mean(extends, presets)}; "
            f"there are {', '.join(presets)}, or give a file ending in .yaml"
        )
    return _PRESETS / f"{extends}.yaml"


def _name(path: Path) -> str:
    """How errors call a file: relative to the working folder where it lies below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
