"""Prompts with fields: `{alt}` stands for a picture's alt-text, `{long}` for its long caption."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from string import Formatter

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.keys import check_key


def fields(prompt: str) -> list[str]:
    """The names in braces, each once, in their order; a brace itself is written twice.

    Raises:
        UserError: if braces do not pair, or hold something else than a name.
    """
    names: list[str] = []
    for _, name, spec, conversion in _parsed(prompt):
        if name is None:
            continue
        if spec or conversion or not name.strip():
            raise UserError(f"prompt {prompt!r}: braces hold a name and no more; write '{{alt}}'")
        names.append(check_key("prompt field", name))
    return list(dict.fromkeys(names))


def fill(prompt: str, values: Mapping[str, str]) -> str:
    """The prompt with each field's text in its place. Braces in a text stay as they are.

    Raises:
        UserError: as `fields`.
        KeyError: if a field has no value.
    """
    return "".join(
        text + ("" if name is None else values[name]) for text, name, _, _ in _parsed(prompt)
    )


def order(reads: Mapping[str, list[str]]) -> list[str]:
    """Styles so that each comes after those that its prompt reads, else in their own order.

    Raises:
        UserError: if some wait for each other.
    """
    sorter = TopologicalSorter({style: [] for style in reads})
    for style, names in reads.items():
        sorter.add(style, *(name for name in names if name in reads))
    try:
        return list(sorter.static_order())
    except CycleError as error:
        ring = " reads ".join(reversed(error.args[1]))
        raise UserError(f"prompts read each other in a ring: {ring}; break it") from None


def levels(reads: Mapping[str, list[str]]) -> list[list[str]]:
    """Styles in groups, each of which reads only styles of earlier groups. Raises as `order`."""
    depth: dict[str, int] = {}
    for style in order(reads):
        depth[style] = 1 + max((depth[name] for name in reads[style] if name in reads), default=-1)
    groups: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for style in reads:
        groups[depth[style]].append(style)
    return groups


def _parsed(prompt: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(Formatter().parse(prompt))
    except ValueError as error:
        raise UserError(
            f"prompt {prompt!r}: {error}; a brace that is no field is written twice"
        ) from None
