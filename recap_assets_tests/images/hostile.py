"""Files that mean harm or are damaged: what a crawl of the web brings sooner or later."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
import zlib
from functools import cache
from pathlib import Path

from PIL import Image

from recap_assets_tests.images.tar_making import encoded, member, noise, write

MIB = 1 << 20
GOOD = encoded(noise(1))
WIDE = "wide.png"


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, body: bytes, *extra: bytes) -> bytes:
    """A grey PNG that says any size and holds any body."""
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")
    )


def _zeros(size: int) -> bytes:
    """`size` zeros, packed."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(size // MIB)) + packer.flush()


def _zip(size: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.jpg", bytes(size))
    return buffer.getvalue()


def _gif(width: int, height: int) -> bytes:
    return (
        b"GIF89a"
        + struct.pack("<HH", width, height)
        + b"\0\0\0,\0\0\0\0"
        + struct.pack("<HH", width, height)
        + b"\0\x08\x01\x00;"
    )


def _tiff(count: int) -> bytes:
    """A TIFF that says a tag has `count` values."""
    entries = [(256, 4, 1, 8), (257, 4, 1, 8), (273, 4, count, 8), (258, 3, 1, 8)]
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + b"\0\0\0\0"


@cache
def pictures() -> dict[str, bytes]:
    """Files called pictures: none is usable but `good.png` and `wide.png`, which is only long."""
    text = _chunk(b"zTXt", b"Comment\0\0" + _zeros(200 * MIB))
    profile = _chunk(b"iCCP", b"icc\0\0" + _zeros(200 * MIB))
    return {
        "good.png": GOOD,
        WIDE: encoded(Image.new("L", (100_000, 1), 7)),
        "zero.jpg": b"",
        "html.jpg": b"<!DOCTYPE html><title>404</title>",
        "text.png": "no picture \u00e9".encode(),
        "cut.png": GOOD[:60],
        "huge.png": png(60_000, 60_000, _zeros(MIB)),
        "larger.png": png(2**31 - 1, 2**31 - 1, b""),
        "negative.png": png(2**32 - 1, 1, b""),
        "empty.png": png(0, 0, b""),
        "bomb.png": png(8_000, 8_000, b"no deflate"),
        "text-bomb.png": png(1, 1, zlib.compress(b"\0\0")[:-5], text),
        "profile-bomb.png": png(2, 2, b"x", profile),
        "huge.gif": _gif(65_535, 65_535),
        "huge.bmp": b"BM"
        + struct.pack(
            "<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 90_000, 90_000, 1, 24, 0, 0, 0, 0, 0, 0
        ),
        "tags.tif": _tiff(2**32 - 1),
        "zip.jpg": _zip(50 * MIB),
        "tar.jpg": _tar_bytes(),
        "gzip.jpg": gzip.compress(bytes(50 * MIB)),
        "riff.webp": b"RIFF" + struct.pack("<I", 2**32 - 1) + b"WEBPVP8L" + b"\xff" * 30,
        "svg.png": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "eps.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nquit\n",
    }


@cache
def texts() -> dict[str, bytes]:
    """Texts by name: too long, too deep, not text."""
    return {
        "long.txt": b"word " * (2 * MIB // 5),
        "bytes.txt": b"\xff\xfe\x00caf\xe9\x00" * 10,
        "control.txt": "a\0b\u202ec\u0007".encode(),
        "deep.json": b"[" * 500_000,
        "deeper.json": b'{"a":' * 100_000,
        "number.json": b'{"url": ' + b"9" * 5_000 + b"}",
        "surrogate.json": rb'{"url": "\ud800", "text": "\udfff"}',
        "long.json": json.dumps({"text": "x" * 2 * MIB}).encode(),
        "names.json": json.dumps({"__class__": "os.system", "../x": "y"}).encode(),
    }


def _tar_bytes() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        header, data = member("inner.jpg", GOOD)
        archive.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


def tar(path: Path, outside: Path) -> int:
    """A tar of all of it, with members that lead outside; returns how many are usable."""
    members = []
    for name, data in pictures().items():
        members.append(member(name, data))
    for name, data in texts().items():
        stem = name.replace(".", "-")
        members += [
            member(f"{stem}.png", encoded(noise(len(members)))),
            member(name.replace(name.split(".")[0], stem), data),
        ]
    special = [
        member("../up.jpg", GOOD),
        member(str(outside / "absolute.jpg"), GOOD),
        member("C:\\windows.jpg", GOOD),
        member("sym.jpg", type=tarfile.SYMTYPE, linkname=str(outside / "secret.png")),
        member("hard.jpg", type=tarfile.LNKTYPE, linkname="good.png"),
        member("pipe.jpg", type=tarfile.FIFOTYPE),
        member("device.jpg", type=tarfile.CHRTYPE),
        member("nested.tar", _tar_bytes()),
        member("nested.jpg.zip", _zip(MIB)),
        member("good.png", encoded(noise(999))),
        member("bell\x07.png", encoded(noise(998))),
    ]
    write(path, members + special, tarfile.GNU_FORMAT)
    return 2 + len(texts()) + 2


def sparse(path: Path, size: int) -> Path:
    """A file that says it has `size` bytes and takes none of the disk."""
    with path.open("wb") as file:
        file.truncate(size)
    return path
