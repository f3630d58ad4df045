"""Reading YAML text with the scalars of YAML 1.2, text keys, and no key twice.

The older rules would read `no` as false, `1e-4` as text, `0123` as octal and `12:30` as 750, and
would keep the last of two equal keys without a word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from typing import Any

import yaml

from recap_assets.experiment.errors import UserError

_FLOAT = (
    r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


def parse(text: str, name: str) -> dict[str, Any]:
    """The mapping that `text` holds, {} if it holds nothing; `name` names the file in errors.

    Raises:
        UserError: for text that is not YAML or gives a key twice (both with the line), and for a
            top level that is not a mapping.
    """
    try:
        document = yaml.load(text, Loader=_Loader)
        json.dumps(document)  # refuses an anchor that holds itself
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise UserError(f"{name}: {line}{_told(error)}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        told = " ".join(str(error).split())
        raise UserError(f"{name}: cannot be read as YAML ({told}); correct it") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise UserError(f"{name}: holds a {kind}, not settings; write lines like 'root: store'")
    return document


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with other scalars and strict mappings."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refusal(key, "a key must be text; quote values that start with '{' or '['")
            if key.value in seen:
                raise _refusal(key, f"key {key.value!r} is given twice; keep one")
            seen.add(key.value)
            if key.tag != "tag:yaml.org,2002:merge":
                key.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep)


def _refusal(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _told(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "cannot be read as YAML"
    if "mapping values are not allowed" in problem:
        return f"{problem}; quote text that holds ': '"
    return f"{problem} ({error.context})" if error.context else problem


def _int(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(node.value)


def _float(loader: _Loader, node: yaml.ScalarNode) -> float:
    return float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _install() -> None:
    _Loader.yaml_implicit_resolvers = {}
    scalars = [
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
        (
            "float",
            _FLOAT,
            list("-+.0123456789"),
        ),
        ("merge", "<<", ["<"]),
    ]
    for name, pattern, first in scalars:
        _Loader.add_implicit_resolver(
            f"tag:yaml.org,2002:{name}", re.compile(f"^(?:{pattern})$"), first
        )
    _Loader.add_constructor("tag:yaml.org,2002:int", _int)
    _Loader.add_constructor("tag:yaml.org,2002:float", _float)


_install()
