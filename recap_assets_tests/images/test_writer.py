"""Written tars: the same bytes every time, those of webdataset's writer, and readable by both."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recap_assets.experiment.errors import UserError
from recap_assets.images.tars import samples
from recap_assets.images.writer import write_tar
from recap_assets_tests.properties import SHARED_FIXTURE

SAMPLES: list[dict[str, object]] = [
    {"__key__": "x/0001", "txt": "ein Käse", "jpg": b"\xff\xd8", "json": {"b": 1, "a": "ü"}},
    {"__key__": "x/0002", "__url__": "left out", "seg.png": b"", "_note": "left out"},
]


def test_the_bytes_are_those_of_webdatasets_writer(tmp_path: Path) -> None:
    writer = pytest.importorskip("webdataset.writer")
    buffer = io.BytesIO()
    with writer.TarWriter(buffer, user="", group="", mode=0o644, mtime=0) as tar:
        for sample in SAMPLES:
            text = json.dumps(sample.get("json"), ensure_ascii=False, sort_keys=True)
            tar.write({**sample, "json": text} if "json" in sample else sample)
    assert write_tar(tmp_path / "0.tar", SAMPLES) == 2
    assert (tmp_path / "0.tar").read_bytes() == buffer.getvalue()


def test_neither_order_nor_time_nor_the_user_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tar(tmp_path / "0.tar", SAMPLES)
    monkeypatch.setattr("time.time", lambda: 1e9)
    old = os.umask(0o077)
    try:
        write_tar(tmp_path / "1.tar", [dict(reversed(sample.items())) for sample in SAMPLES])
    finally:
        os.umask(old)
    assert (tmp_path / "0.tar").read_bytes() == (tmp_path / "1.tar").read_bytes()


@settings(max_examples=60, suppress_health_check=SHARED_FIXTURE)
@given(
    st.lists(
        st.tuples(
            st.text(min_size=1, max_size=300),
            st.dictionaries(
                st.sampled_from(["jpg", "txt", "a.b"]), st.binary(max_size=600), min_size=1
            ),
        ),
        max_size=5,
    )
)
def test_what_is_written_is_read_back_or_refused(
    tmp_path: Path, found: list[tuple[str, dict[str, bytes]]]
) -> None:
    path = tmp_path / "0.tar"
    path.unlink(missing_ok=True)
    try:
        write_tar(path, [{"__key__": key, **files} for key, files in found])
    except (UserError, UnicodeEncodeError):
        assert not path.exists()
        return
    data = path.read_bytes()
    read = [
        (sample.key, {k: data[m.offset : m.offset + m.size] for k, m in sample.members.items()})
        for sample in samples(path)
    ]
    assert read == found


@pytest.mark.parametrize("key", ["a.b", "", "../a", "/a", "x/../a", "C:\\a", ".a", "__m__/a"])
def test_keys_that_would_not_come_back_are_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(UserError, match="would not be read back"):
        write_tar(tmp_path / "0.tar", [{"__key__": key, "jpg": b"1"}])
    assert list(tmp_path.iterdir()) == []


def test_upper_case_extensions_and_repeated_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lower-case"):
        write_tar(tmp_path / "0.tar", [{"__key__": "a", "JPG": b"1"}])
    with pytest.raises(UserError, match="follows itself"):
        write_tar(tmp_path / "0.tar", [{"__key__": "a", "jpg": b"1"}, {"__key__": "a", "txt": ""}])


def test_a_failing_source_leaves_the_old_tar(tmp_path: Path) -> None:
    path = tmp_path / "0.tar"
    write_tar(path, SAMPLES)
    before = path.read_bytes()

    def failing() -> Iterator[dict[str, object]]:
        yield SAMPLES[0]
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_tar(path, failing())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_other_values_are_a_type_error(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="bytes or text"):
        write_tar(tmp_path / "0.tar", [{"__key__": "a", "cls": 3}])


def test_samples_are_streamed(tmp_path: Path) -> None:
    sizes: list[int] = []

    def watching() -> Iterator[dict[str, object]]:
        for number in range(30):
            yield {"__key__": f"{number}", "bin": bytes(100_000)}
            (temporary,) = tmp_path.iterdir()
            sizes.append(temporary.stat().st_size)

    write_tar(tmp_path / "0.tar", watching())
    assert sizes[15] > 1_000_000
