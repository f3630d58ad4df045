"""What models read of pictures, seen whole or their centre square."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.families.family import Inputs, Reader
from recap_assets.images.fit import square


@dataclass(frozen=True)
class View(Reader):
    """A reader that is shown what the setting `view` says of a picture."""

    reader: Reader
    square: bool

    def __call__(self, picture: Image.Image) -> Inputs:
        return self.reader(square(picture) if self.square else picture)

    def collate(self, read: Sequence[Inputs]) -> Inputs:
        return self.reader.collate(read)


def read(captioner: Captioner, pictures: Sequence[Image.Image]) -> Inputs:
    """`Inputs` of RGB pictures of any size, by the setting `view`."""
    reader = View(captioner.family.reader, captioner.settings.view == "square")
    return reader.collate([reader(picture) for picture in pictures])
