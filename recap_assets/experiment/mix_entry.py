"""What a name in a mix means: a style, two captions in one, one cut at random, one of several."""

from __future__ import annotations

from dataclasses import dataclass

_JOIN = "+"
_CUT = ":random_length"
_ANY = ":any"


@dataclass(frozen=True)
class MixEntry:
    """One entry of a mix.

    styles: whose captions it shows, joined by a space where there are several ("long+alt").
    cut: whether only a random number of leading parts is shown ("long:random_length").
    any: whether any one of the several texts is shown that the source has of a picture ("alt:any").
    """

    styles: tuple[str, ...]
    cut: bool = False
    any: bool = False

    @classmethod
    def parse(cls, name: str) -> MixEntry:
        """The entry that `name` in a mix means; style names themselves hold neither sign."""
        plain = name.removesuffix(_CUT).removesuffix(_ANY)
        return cls(tuple(plain.split(_JOIN)), name.endswith(_CUT), name.endswith(_ANY))


def mix_styles(mix: dict[str, float]) -> list[str]:
    """The styles whose captions a mix shows, sorted."""
    return sorted({style for name in mix for style in MixEntry.parse(name).styles})
