"""What a captioner's model reads of pictures, seen whole or their centre square."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.families.family import Inputs
from recap_assets.images.fit import square


def read(captioner: Captioner, pictures: Sequence[Image.Image]) -> Inputs:
    """`Inputs` of RGB pictures of any size, by the setting `view`."""
    reader = captioner.family.reader
    seen = [square(one) if captioner.settings.view == "square" else one for one in pictures]
    return reader.collate([reader(one) for one in seen])
