"""Damage to a tar: an error that says where, and never a shorter tar."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recap_assets.experiment.errors import UserError
from recap_assets.images.headers import headers, printable
from recap_assets_tests.images.tar_making import member, simple, write
from recap_assets_tests.properties import SHARED_FIXTURE

BLOCK = 512


def names(path: Path) -> list[str]:
    return [header.name for header in headers(path)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """a.jpg (700 bytes, blocks 0-2), a.txt (3 bytes, 3-4), an empty c.jpg (5), the end mark."""
    path = tmp_path_factory.mktemp("whole") / "whole.tar"
    return simple(path, a__jpg=bytes(range(1, 251)) * 2 + b"x" * 200, a__txt=b"cat", c__jpg=b"")


def test_reads_every_header(whole: Path) -> None:
    assert names(whole) == ["a.jpg", "a.txt", "c.jpg"]


def test_a_cut_anywhere_is_an_error_or_costs_nothing(whole: Path, tmp_path: Path) -> None:
    data = whole.read_bytes()
    end_mark = 6 * BLOCK
    near = {at + step for at in range(0, len(data), BLOCK) for step in (-1, 0, 1, 200)} - {-1}
    for cut in sorted(near):
        path = tmp_path / "cut.tar"
        path.write_bytes(data[:cut])
        if cut < end_mark + BLOCK:
            with pytest.raises(UserError, match=r"cut\.tar: (not a tar|unreadable from byte)"):
                names(path)
        else:
            assert names(path) == ["a.jpg", "a.txt", "c.jpg"]


def test_a_cut_names_the_member_and_the_byte(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.tar"
    path.write_bytes(whole.read_bytes()[: BLOCK + 100])
    with pytest.raises(UserError, match=r"from byte 612, at member 'a\.jpg'.* 600 bytes too early"):
        names(path)


def test_a_tar_cut_between_members_is_not_a_shorter_tar(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.tar"
    path.write_bytes(whole.read_bytes()[: 3 * BLOCK])
    with tarfile.open(path) as tar:
        assert tar.getnames() == ["a.jpg"], "the standard library takes it for whole"
    with pytest.raises(UserError, match=r"from byte 1536, at member 'a\.jpg'.*without a tar's end"):
        names(path)


@settings(max_examples=150, suppress_health_check=SHARED_FIXTURE)
@given(position=st.integers(0, 7 * BLOCK - 1), flip=st.integers(1, 255))
def test_a_changed_byte_never_hides_a_member(
    whole: Path, tmp_path: Path, position: int, flip: int
) -> None:
    data = bytearray(whole.read_bytes())
    data[position] ^= flip
    path = tmp_path / "changed.tar"
    path.write_bytes(data)
    in_data = BLOCK <= position < 3 * BLOCK or 4 * BLOCK <= position < 5 * BLOCK
    if in_data:
        assert names(path) == ["a.jpg", "a.txt", "c.jpg"]
    else:
        try:
            found = names(path)
        except UserError:
            return
        assert len(found) == 3


@settings(max_examples=80, suppress_health_check=SHARED_FIXTURE)
@given(data=st.binary(min_size=1, max_size=2000))
def test_arbitrary_bytes_are_a_user_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "noise.tar"
    path.write_bytes(data)
    with pytest.raises(UserError):
        names(path)


def test_joined_tars_are_an_error(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "joined.tar"
    path.write_bytes(whole.read_bytes() * 2)
    with pytest.raises(UserError, match="data follows the tar's end mark"):
        names(path)


def test_a_zeroed_block_in_the_middle_is_an_error(whole: Path, tmp_path: Path) -> None:
    data = bytearray(whole.read_bytes())
    data[3 * BLOCK : 4 * BLOCK] = bytes(BLOCK)
    path = tmp_path / "hole.tar"
    path.write_bytes(data)
    with pytest.raises(UserError, match="data follows"):
        names(path)


def test_an_empty_file_is_not_a_tar(tmp_path: Path) -> None:
    path = tmp_path / "empty.tar"
    path.touch()
    with pytest.raises(UserError, match=r"empty\.tar: not a tar"):
        names(path)


def test_a_missing_file_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.tar: cannot be read"):
        names(tmp_path / "gone.tar")


def test_a_compressed_tar_says_what_to_do(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "packed.tar"
    path.write_bytes(gzip.compress(whole.read_bytes()))
    with pytest.raises(UserError, match=r"compressed \(gzip\).*unpack"):
        names(path)


@pytest.mark.parametrize("size", [-1, -512, -1024, -(10**6)])
def test_a_negative_size_does_not_loop(tmp_path: Path, size: int) -> None:
    header = tarfile.TarInfo("b.jpg")
    header.size = size
    block = header.tobuf(tarfile.GNU_FORMAT)
    first = tarfile.TarInfo("a.jpg").tobuf(tarfile.GNU_FORMAT)
    path = tmp_path / "negative.tar"
    path.write_bytes(first + block + bytes(20 * BLOCK))
    with pytest.raises(UserError, match=r"negative|unreadable"):
        names(path)


def test_a_negative_size_in_a_pax_header_does_not_loop(tmp_path: Path) -> None:
    path = tmp_path / "negative.tar"
    write(
        path,
        [member("a.jpg"), member("b.jpg", b"12", pax_headers={"size": "-1024"})],
        tarfile.PAX_FORMAT,
    )
    with pytest.raises(UserError, match="negative"):
        names(path)


def test_a_chain_of_pax_headers_does_not_overflow_the_stack(tmp_path: Path) -> None:
    body = b"10 a=bcde\n".ljust(BLOCK, b"\0")
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 10
    path = tmp_path / "deep.tar"
    path.write_bytes((header.tobuf(tarfile.USTAR_FORMAT) + body) * 3000 + bytes(2 * BLOCK))
    with pytest.raises(UserError, match=r"deep\.tar"):
        names(path)


def test_names_that_are_not_utf8_are_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "latin.tar", [member("caf\udce9.jpg")])
    assert b"caf\xe9.jpg" in path.read_bytes()
    assert [printable(name) for name in names(path)] == ["caf\\xe9.jpg"]
