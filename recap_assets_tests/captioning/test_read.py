from __future__ import annotations

import numpy as np
from PIL import Image

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.read import read
from recap_assets_tests.captioning.pictures import SIZE, noise, small


def test_whole_and_square_view() -> None:
    captioner = small()
    wide = Image.fromarray(np.concatenate([noise(1)[0], noise(1, 1)[0], noise(1, 2)[0]], axis=1))
    assert wide.size == (3 * SIZE, SIZE)
    whole = read(captioner, [wide])["pixel_values"]
    square = Captioner(captioner.family, captioner.settings.model_copy(update={"view": "square"}))
    np.testing.assert_array_equal(read(square, [wide])["pixel_values"], noise(1, 1))
    np.testing.assert_array_equal(whole[0], np.asarray(wide.resize((SIZE, SIZE), 3)))
