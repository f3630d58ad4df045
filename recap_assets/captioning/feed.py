"""Pictures decoded and read for a model while it works on others, in processes or in a thread.

Processes are spawned when they are first needed, stay for all shards, and end with this one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice

from recap_assets.captioning.decoders import executor
from recap_assets.captioning.families.family import Inputs, Reader
from recap_assets.captioning.question import Source

# Pictures that a process takes at a time: with more the first come later, with fewer messages cost.
_PIECE = 8
_MOST = 8


class ReadError(Exception):
    """What a model's image processor says of a picture that it cannot use, in one line."""


#: What each reader made of one picture, or why one of them could not.
Read = tuple[Inputs, ...] | ReadError


@dataclass(frozen=True)
class Feed:
    """What is read of pictures, and by how many processes; 0 is a thread of this one.

    ahead: so many pictures may be ready before they are asked for.
    """

    readers: Sequence[Reader]
    decoders: int
    ahead: int

    def __call__(self, source: Source, total: int) -> Iterator[Read]:
        """What was read of each picture, in order.

        Raises:
            UserError: as the source does, at the picture's place; and if a process was killed.
        """
        starts = iter(range(0, total, _PIECE))
        under_way: deque[Future[list[Read]]] = deque()
        most = self.decoders + max(1, self.ahead // _PIECE)
        with executor(self.decoders) as pool:
            try:
                while True:
                    for start in islice(starts, most - len(under_way)):
                        part = source.part(start, min(start + _PIECE, total))
                        size = min(_PIECE, total - start)
                        under_way.append(pool.submit(_read, part, size, tuple(self.readers)))
                    if not under_way:
                        return
                    yield from under_way.popleft().result()
            finally:
                for future in under_way:
                    future.cancel()


def _read(part: Source, size: int, readers: Sequence[Reader]) -> list[Read]:
    """Each picture of a part, one decoded at a time."""
    return [_one(part, place, readers) for place in range(size)]


def _one(part: Source, place: int, readers: Sequence[Reader]) -> Read:
    (picture,) = part(place, place + 1)
    try:
        return tuple(reader(picture) for reader in readers)
    except Exception as error:
        # An image processor may raise anything; what it says concerns this picture alone.
        line = (str(error).splitlines() or [""])[0][:200]
        return ReadError(f"{type(error).__name__}: {line}")


def sensible(total: int) -> int:
    """How many processes are worth their start for so many pictures.

    The cores that torch may use are this process's share of the machine.
    """
    import torch

    spare = torch.get_num_threads() - 1
    return 0 if spare < 2 or total < 64 * _PIECE else min(_MOST, spare)
