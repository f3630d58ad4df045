"""A sample of a data set in any format: one picture and what is said of it, not yet read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

PICTURES = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff")
#: The most bytes of a text or JSON that are read; more is no caption.
LONGEST_TEXT = 1 << 20
#: The most bytes of an encoded picture that are read.
LARGEST_PICTURE = 1 << 28


@dataclass(frozen=True)
class Member:
    """A file of a sample: its name, its lower-case extension, and where its bytes lie.

    In a tar `offset` and `size` are its byte range; in a Parquet file `offset` is the row.
    """

    name: str
    extension: str
    offset: int
    size: int


@dataclass(frozen=True)
class Rejected:
    """A member that is not read, and why."""

    name: str
    reason: str


def _unreadable(member: Member) -> bytes:
    raise ValueError(f"{member.name}: this sample was made without a source")


@dataclass
class Sample:
    """The members of one picture by extension, in their order, and its record in a table.

    members: can be read until the next sample is asked for.
    record: what a table beside the pictures says of this one; None where the format has no table.
    """

    key: str
    members: dict[str, Member] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    record: Mapping[str, object] | None = None
    source: Callable[[Member], bytes] = field(default=_unreadable, repr=False, compare=False)

    def picture(self) -> Member | None:
        """The first member that is a picture; the order of members decides between several."""
        return next((found for name, found in self.members.items() if name in PICTURES), None)

    def read(self, member: Member) -> bytes:
        """A member's bytes. Raises UserError if they cannot be read."""
        return self.source(member)

    def text(self, extension: str) -> bytes | None:
        """The bytes of a text; None if there is none or, which leaves a reason, it is too long."""
        member = self.members.get(extension)
        if member is None:
            return None
        if member.size > LONGEST_TEXT:
            del self.members[extension]
            reason = f"{member.size} bytes of text are more than {LONGEST_TEXT}"
            self.rejected.append(Rejected(member.name, reason))
            return None
        return self.read(member)
