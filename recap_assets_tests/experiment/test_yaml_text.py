"""YAML scalars by the tables of YAML 1.2, strict mappings, and one line for broken text."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.yaml_text import parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("+3", 3),
        ("0", 0),
        ("0123", "0123"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("12:30", "12:30"),
        ("1e-4", 1e-4),
        ("4.0e-5", 4e-5),
        ("5E3", 5000.0),
        (".5", 0.5),
        ("1.", 1.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("true", True),
        ("False", False),
        ("no", "no"),
        ("on", "on"),
        ("Y", "Y"),
        ("null", None),
        ("~", None),
        ("", None),
        ("2026-01-31", "2026-01-31"),
        ("=", "="),
        ("'12'", "12"),
        ("0 2 * * *", "0 2 * * *"),
        ("shards/{00000..00099}.tar", "shards/{00000..00099}.tar"),
    ],
)
def test_scalars(text: str, value: object) -> None:
    found = parse(f"key: {text}\n", "f")["key"]
    assert (found, type(found)) == (value, type(value))


def test_not_a_number() -> None:
    assert math.isnan(parse("key: .nan", "f")["key"])


def test_keys_are_text_as_written() -> None:
    assert parse("{no: 1, 12: 2, 1.50: 3, null: 4, ~: 5}", "f") == {
        "no": 1,
        "12": 2,
        "1.50": 3,
        "null": 4,
        "~": 5,
    }


def test_anchors_and_merge_keys_work() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a]\n"
    assert parse(text, "f") == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
        "c": [{"x": 1, "y": 2}],
    }


PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | PRINTABLE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PRINTABLE, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(PRINTABLE, VALUES, max_size=4))
def test_what_a_yaml_writer_writes_is_read_back(document: dict[str, Any]) -> None:
    text = yaml.safe_dump(document, allow_unicode=True, default_style='"')
    assert parse(text, "f") == document


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "null"])
def test_a_file_that_says_nothing_is_empty(text: str) -> None:
    assert parse(text, "f") == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("root: x\n\nroot: y\n", "f: line 3: key 'root' is given twice; keep one"),
        ("a:\n  b: 1\n  c: 2\n  b: 3\n", "f: line 4: key 'b' is given twice; keep one"),
        ("a: [{b: 1, b: 1}]", "f: line 1: key 'b' is given twice; keep one"),
        ("12: a\n'12': b\n", "f: line 2: key '12' is given twice; keep one"),
        ("a: 1\nprompt: short caption:\n", "f: line 2: mapping values are not allowed here"),
        ("a: [1\n", "f: line 2: "),
        ("a: 1\n\tb: 2\n", "f: line 2: "),
        ("a: {{b}: 1}", "f: line 1: a key must be text"),
        ("a: !!python/name:os.system\n", "f: line 1: could not determine a constructor"),
        ("a: !!int twelve", "f: cannot be read as YAML"),
        ("a: &a [*a]", "f: cannot be read as YAML (Circular"),
        ("a: " + "[" * 1000, "f: cannot be read as YAML"),
        ("a: \x00", "f: cannot be read as YAML"),
        ("a: *nobody", "f: line 1: found undefined alias"),
        ("a: 1\n---\nb: 2\n", "f: line 2: "),
        ("- a\n", "f: holds a list, not settings"),
        ("text\n", "f: holds a str, not settings"),
    ],
)
def test_broken_text_is_told_in_one_line(text: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(text, "f")
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


@given(st.text(alphabet="ab:{}[]&*!|>-'\"#,? \n\t1.~%@\\", max_size=25))
def test_any_text_is_settings_or_one_line(text: str) -> None:
    try:
        assert isinstance(parse(text, "f"), dict)
    except UserError as error:
        assert str(error).startswith("f: ")
        assert "\n" not in str(error)
