"""The text beside a picture, well-formed and not."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.images.sidecar import Sidecar, read_sidecar


def side(files: dict[str, bytes], caption: str = "txt", url: str | None = "json.url") -> Sidecar:
    read: Callable[[str], bytes | None] = files.get
    return read_sidecar(read, caption, url)


def test_text_and_url() -> None:
    files = {"txt": b" a cat\n", "json": b'{"url": "https://x/1", "n": 1}'}
    assert side(files) == Sidecar("a cat", "https://x/1", '{"url": "https://x/1", "n": 1}', ())


def test_nothing_there() -> None:
    assert side({}) == Sidecar("", None, "{}", ())
    assert side({}, url=None).url is None


def test_fields_of_json() -> None:
    files = {"json": '{"caption": "ein Käse", "meta": {"alt": "b"}, "year": 1999}'.encode()}
    assert side(files, "json.caption").alt == "ein Käse"
    assert side(files, "json.meta.alt").alt == "b"
    assert side(files, "json.year").alt == "1999"
    assert side(files, "json.none").alt == ""
    assert side(files, "json.caption.deeper").alt == ""


def test_a_field_that_is_no_text_is_noted() -> None:
    found = side({"json": b'{"caption": ["a", "b"]}'}, "json.caption")
    assert (found.alt, found.notes) == ("", ("json.caption is not text",))


def test_bytes_that_are_not_utf8_are_replaced_and_noted() -> None:
    found = side({"txt": b"caf\xe9"})
    assert (found.alt, found.notes) == ("caf\ufffd", ("txt is not UTF-8",))


def test_a_byte_order_mark_is_no_text() -> None:
    found = side({"txt": b"\xef\xbb\xbfcat", "json": b'\xef\xbb\xbf{"url": "u"}'})
    assert (found.alt, found.url, found.notes) == ("cat", "u", ())


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (b"{", "json is malformed"),
        (b"", "json is malformed"),
        (b"[" * 100_000, "json is malformed"),
        (b'{"a": ' + b"9" * 5000 + b"}", "json is malformed"),
        (b"[1]", "json is not an object"),
        (b"null", "json is not an object"),
    ],
)
def test_json_that_cannot_be_used_leaves_a_note(data: bytes, note: str) -> None:
    found = side({"json": data, "txt": b"cat"})
    assert (found.alt, found.extra, found.notes) == ("cat", "{}", (note,))


def test_nan_becomes_null() -> None:
    found = side(
        {"json": b'{"similarity": NaN, "caption": "cat\\ud800", "x": -Infinity}'}, "json.caption"
    )
    assert found.alt == "cat\ufffd"
    assert json.loads(found.extra)["similarity"] is None
    assert "NaN" not in found.extra
    found.extra.encode("utf-8")


@given(st.text(), st.binary(max_size=40))
def test_any_text_can_be_stored(caption: str, noise: bytes) -> None:
    found = side({"json": json.dumps({"c": caption}).encode(), "txt": noise}, "json.c")
    found.alt.encode("utf-8")
    assert found.alt == caption.strip()
    side({"txt": noise}).alt.encode("utf-8")
