"""Samples of tars against webdataset's own reading, and members that must not be read."""

from __future__ import annotations

import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recap_assets.experiment.errors import UserError
from recap_assets.images.tars import Sample, samples, split_name, unsafe_name
from recap_assets_tests.images.tar_making import member, simple, write
from recap_assets_tests.properties import SHARED_FIXTURE

LOOSE = settings(max_examples=80, suppress_health_check=SHARED_FIXTURE)

stems = st.sampled_from(["a", "b", "0001", "x/a", "x/y.z/a", "./a", "größe", "n" * 120, "_a", ".b"])
endings = st.sampled_from(["jpg", "JPG", "txt", "json", "seg.png", "cls", ""])
files = st.lists(st.tuples(stems, endings, st.binary(max_size=1500)), min_size=1, max_size=8)
forms = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


def write_files(path: Path, found: list[tuple[str, str, bytes]], form: int) -> None:
    if form == tarfile.USTAR_FORMAT:
        found = [(stem[:60], ending, data) for stem, ending, data in found]
    write(path, [member(f"{s}.{e}" if e else s, data) for s, e, data in found], form)


def theirs(path: Path) -> list[tuple[str, dict[str, bytes]]]:
    """(key, bytes by extension) of each sample, as webdataset reads the tar."""
    tariterators = pytest.importorskip("webdataset.tariterators")
    with path.open("rb") as stream:
        source = [{"url": "x", "stream": stream}]
        found = list(tariterators.group_by_keys(tariterators.tar_file_expander(source)))
    return [
        (sample["__key__"], {k: v for k, v in sample.items() if not k.startswith("__")})
        for sample in found
    ]


def ours(path: Path) -> list[tuple[str, dict[str, bytes]]]:
    """The same from our offsets and nothing else."""
    data = path.read_bytes()
    return [
        (sample.key, {k: data[m.offset : m.offset + m.size] for k, m in sample.members.items()})
        for sample in samples(path)
    ]


@LOOSE
@given(found=files, form=forms)
def test_agrees_with_webdataset(
    tmp_path: Path, found: list[tuple[str, str, bytes]], form: int
) -> None:
    path = tmp_path / "agree.tar"
    write_files(path, found, form)
    try:
        expected = theirs(path)
    except ValueError as error:
        assert "duplicate file name" in str(error)
        return
    assert ours(path) == expected


@LOOSE
@given(found=files, form=forms, where=st.floats(0, 1))
def test_a_cut_tar_is_an_error_or_the_same(
    tmp_path: Path, found: list[tuple[str, str, bytes]], form: int, where: float
) -> None:
    path = tmp_path / "cut.tar"
    write_files(path, found, form)
    expected = ours(path)
    data = path.read_bytes()
    # Half of the cuts go where the members are: most of a small tar is padding.
    last = len(data.rstrip(b"\0")) + 1024 if where > 0.5 else len(data)
    path.write_bytes(data[: int(where * last)])
    try:
        found_now = ours(path)
    except UserError:
        return
    assert found_now == expected


def test_consecutive_members_group_and_extensions_are_lower_case(tmp_path: Path) -> None:
    path = simple(tmp_path / "t.tar", a__JPG=b"1", a__txt=b"2", b__seg__png=b"3")
    found = list(samples(path))
    assert [sample.key for sample in found] == ["a", "b"]
    assert list(found[0].members) == ["jpg", "txt"]
    assert found[0].members["jpg"].name == "a.JPG"
    assert list(found[1].members) == ["seg.png"]


def test_a_repeated_extension_begins_a_new_sample(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tar", [member("a.jpg", b"1"), member("a.jpg", b"22")])
    found = list(samples(path))
    assert [(sample.key, sample.members["jpg"].size) for sample in found] == [("a", 1), ("a", 2)]


def test_folders_hidden_and_meta_names_are_no_samples(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.tar",
        [
            member("x", type=tarfile.DIRTYPE),
            member("x/a.jpg", b"1"),
            member("README", b"hello"),
            member(".DS_Store", b"z"),
            member("._a.jpg", b"z"),
            member("__index__", b"z"),
        ],
    )
    assert [sample.key for sample in samples(path)] == ["x/a"]


@pytest.mark.parametrize(
    ("name", "fields", "reason"),
    [
        ("a.jpg", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "symbolic link"),
        ("a.jpg", {"type": tarfile.LNKTYPE, "linkname": "b.jpg"}, "hard link"),
        ("a.jpg", {"type": tarfile.CHRTYPE}, "device"),
        ("a.jpg", {"type": tarfile.BLKTYPE}, "device"),
        ("a.jpg", {"type": tarfile.FIFOTYPE}, "pipe"),
        ("a.jpg", {"type": b"Z"}, "special member"),
        ("/etc/a.jpg", {}, "absolute name"),
        ("C:\\a.jpg", {}, "absolute name"),
        ("\\\\host\\a.jpg", {}, "absolute name"),
        ("../a.jpg", {}, "name with '..'"),
        ("x/../../a.jpg", {}, "name with '..'"),
        ("x\\..\\a.jpg", {}, "name with '..'"),
        ("a.tar", {}, "archive inside the tar"),
        ("a.tar.gz", {}, "archive inside the tar"),
        ("a.zip", {}, "archive inside the tar"),
        ("latest", {"type": tarfile.SYMTYPE, "linkname": "x"}, "symbolic link"),
        ("../README", {}, "name with '..'"),
    ],
)
def test_what_must_not_be_read_is_reported(
    tmp_path: Path, name: str, fields: dict[str, object], reason: str
) -> None:
    path = write(tmp_path / "t.tar", [member(name, **fields), member("z.jpg", b"1")])
    found = list(samples(path))
    rejected = [(entry.name, entry.reason) for sample in found for entry in sample.rejected]
    assert rejected == [(name, reason)]
    assert [member.name for sample in found for member in sample.members.values()] == ["z.jpg"]


def test_a_rejected_member_stays_with_its_sample(tmp_path: Path) -> None:
    link = member("a.jpg", type=tarfile.SYMTYPE, linkname="b.jpg")
    (sample,) = samples(write(tmp_path / "t.tar", [link, member("a.txt", b"cat")]))
    assert list(sample.members) == ["txt"]
    assert [entry.name for entry in sample.rejected] == ["a.jpg"]


def test_sparse_members_are_rejected(tmp_path: Path) -> None:
    sparse = member(
        "a.jpg", b"12", pax_headers={"GNU.sparse.map": "0,2", "GNU.sparse.size": "9000"}
    )
    (sample,) = samples(write(tmp_path / "t.tar", [sparse], tarfile.PAX_FORMAT))
    assert [entry.reason for entry in sample.rejected] == ["sparse member"]


def test_a_name_that_is_not_utf8_keeps_its_bytes_readable(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tar", [member("caf\udce9.jpg", b"123")])
    (sample,) = samples(path)
    assert sample.key == "caf\\xe9"
    assert ours(path)[0][1] == {"jpg": b"123"}


def test_memory_does_not_grow_with_the_samples(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = write(
            tmp_path / f"{count}.tar", (member(f"{n:06d}.jpg", b"x" * 600) for n in range(count))
        )
        sum(1 for _ in samples(path))
        tracemalloc.start()
        assert sum(1 for _ in samples(path)) == count
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(1500) < peak(50) + 100_000


def test_split_and_unsafe_names() -> None:
    assert split_name("x.y/a.seg.PNG") == ("x.y/a", "seg.png")
    assert split_name("x.y/a") is None
    assert split_name("__meta__/a.jpg") is None
    assert unsafe_name("x/..a/b..jpg") is None
    assert unsafe_name("a:b.jpg") is None


def test_a_sample_starts_empty() -> None:
    assert Sample("a").members == {}
