"""What a name in a mix means: a style, two captions in one, or a caption cut at random."""

from __future__ import annotations

from dataclasses import dataclass

_JOIN = "+"
_CUT = ":random_length"


@dataclass(frozen=True)
class MixEntry:
    """One entry of a mix.

    styles: whose captions it shows, joined by a space where there are several ("long+alt").
    cut: whether only a random number of leading parts is shown ("long:random_length").
    """

    styles: tuple[str, ...]
    cut: bool

    @classmethod
    def parse(cls, name: str) -> MixEntry:
        """The entry that `name` in a mix means; style names themselves hold neither sign."""
        cut = name.endswith(_CUT)
        return cls(tuple(name.removesuffix(_CUT).split(_JOIN)), cut)


def mix_styles(mix: dict[str, float]) -> list[str]:
    """The styles whose captions a mix shows, sorted."""
    return sorted({style for name in mix for style in MixEntry.parse(name).styles})
