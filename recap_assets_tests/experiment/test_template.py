from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.template import fields, fill, order

NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,5}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)


def escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


@given(st.lists(st.tuples(TEXTS, NAMES)), TEXTS, st.dictionaries(NAMES, TEXTS))
def test_a_prompt_is_its_texts_with_the_fields_values_between(
    parts: list[tuple[str, str]], last: str, values: dict[str, str]
) -> None:
    values |= {name: values.get(name, f"<{name}>{{}}") for _, name in parts}
    prompt = "".join(f"{escaped(text)}{{{name}}}" for text, name in parts) + escaped(last)
    assert fields(prompt) == list(dict.fromkeys(name for _, name in parts))
    assert fill(prompt, values) == "".join(t + values[n] for t, n in parts) + last


@pytest.mark.parametrize(
    "prompt", ["{", "}", "a {alt", "{}", "{0.x}", "{alt!r}", "{alt:>9}", "{a b}"]
)
def test_braces_that_hold_no_name_are_told(prompt: str) -> None:
    with pytest.raises(UserError, match="prompt"):
        fields(prompt)


def test_styles_come_after_what_they_read_and_else_as_they_stand() -> None:
    assert order({"c": ["b", "alt"], "a": [], "b": ["a"]}) == ["a", "b", "c"]
    assert order({"z": [], "a": [], "m": ["alt"]}) == ["z", "a", "m"]


def test_a_ring_is_told_as_one() -> None:
    with pytest.raises(UserError, match=r"ring: .*(a reads b reads c reads a|b reads c reads a)"):
        order({"a": ["b"], "b": ["c"], "c": ["a"]})
