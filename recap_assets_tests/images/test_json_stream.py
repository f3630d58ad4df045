"""Arrays of a JSON object, streamed, against the standard library."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recap_assets.experiment.errors import UserError
from recap_assets.images import json_stream
from recap_assets.images.json_stream import elements

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=80)
@given(
    document=st.dictionaries(st.sampled_from(["a", "b", "c", "images"]), VALUES, max_size=4),
    images=st.lists(VALUES, max_size=6),
    chunk=st.integers(1, 40),
    indent=st.sampled_from([None, 1]),
)
def test_the_elements_are_those_of_json(
    tmp_path_factory: pytest.TempPathFactory,
    document: dict[str, object],
    images: list[object],
    chunk: int,
    indent: int | None,
) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    document["images"] = images
    path.write_text(json.dumps(document, indent=indent), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK", chunk)
        assert list(elements(path, "images")) == images
        assert list(elements(path, "none")) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[1, 2]",
        '{"images": [1, 2',
        '{"images": [1 2]}',
        '{"images": [1, 2]',
        '{"images": [{"a": }]}',
        '{"images"',
        '{"images": [' + "[" * 100_000,
        "\0\1\2",
    ],
)
def test_what_is_no_object_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"a\.json: "):
        list(elements(path, "images"))


def test_memory_does_not_grow_with_the_elements(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = tmp_path / f"{count}.json"
        path.write_text(
            json.dumps({"images": [{"n": n, "t": "x" * 90} for n in range(count)]}), "utf-8"
        )
        tracemalloc.start()
        assert sum(1 for _ in elements(path, "images")) == count
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(100)
    assert peak(40_000) < peak(4_000) + 200_000


def test_one_endless_value_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"images": ["' + "x" * 9_000_000 + '"]}', "utf-8")
    tracemalloc.start()
    with pytest.raises(UserError, match="a value of more than"):
        list(elements(path, "images"))
    assert tracemalloc.get_traced_memory()[1] < 40_000_000
    tracemalloc.stop()
