"""The elements of the arrays in a large JSON object, one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from recap_assets.experiment.errors import UserError

_CHUNK = 1 << 16
#: The most characters of one element, and of what stands between two.
_LONGEST = 1 << 22
_GOES_ON = ("", *"0123456789+-.eE")
_DECODER = json.JSONDecoder()


def elements(path: Path, wanted: str) -> Iterator[object]:
    """Each element of the top-level array called `wanted`, in order; other values are passed over.

    Raises:
        UserError: if the file cannot be read, is no JSON object, or one value outside the array or
            one element has more than 4 million characters.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            yield from _Reader(path, file).elements(wanted)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); check that it is yours"
        ) from error


class _Reader:
    """A window over the text that moves on as values are taken."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self._path, self._file = path, file
        self._text, self._at = "", 0

    def elements(self, wanted: str) -> Iterator[object]:
        self._expect("{")
        if self._peek() == "}":
            return
        while True:
            name = self._value()
            self._expect(":")
            if self._peek() == "[":
                for element in self._array():
                    if name == wanted:
                        yield element
            else:
                self._value()
            if self._take("},") == "}":
                return

    def _array(self) -> Iterator[object]:
        self._expect("[")
        if self._peek() == "]":
            self._expect("]")
            return
        while True:
            yield self._value()
            if self._take("],") == "]":
                return

    def _value(self) -> object:
        """The next value; the window grows until it holds the whole of it."""
        self._peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError as error:
                raise self._bad("nests too deep") from error
            except ValueError as error:
                if not self._more():
                    raise self._bad("is no JSON, or cut") from error
                continue
            # A number may go on in what was not read yet, as 0 does in 0.5.
            if self._text[end : end + 1] not in _GOES_ON or not self._more():
                self._at = end
                return value

    def _peek(self) -> str:
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _take(self, signs: str) -> str:
        found = self._peek()
        if not found or found not in signs:
            raise self._bad(f"is no JSON object of arrays, or cut ({found or 'its end'!r})")
        self._at += 1
        return found

    def _expect(self, sign: str) -> None:
        self._take(sign)

    def _more(self) -> bool:
        """Read on, doubling, so that a long value is not parsed over and over."""
        self._text, self._at = self._text[self._at :], 0
        if len(self._text) > _LONGEST:
            raise self._bad(f"has a value of more than {_LONGEST} characters")
        chunk = self._file.read(max(_CHUNK, len(self._text)))
        self._text += chunk
        return bool(chunk)

    def _bad(self, reason: str) -> UserError:
        return UserError(f"{self._path}: {reason}; write or download it again")
