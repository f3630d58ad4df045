from __future__ import annotations

import numpy as np
import pytest
from transformers import BlipProcessor

from recap_assets_tests.captioning.pictures import noise, small


def test_pixel_values_are_those_of_the_image_processor() -> None:
    captioner, pictures = small(), noise(3)
    expected = captioner.image_processor(list(pictures), return_tensors="np")["pixel_values"]
    np.testing.assert_allclose(captioner.pixel_values(pictures).numpy(), expected, atol=1e-6)


def test_pixel_values_follow_a_processor_that_only_rescales() -> None:
    captioner, pictures = small(), noise(2)
    captioner.image_processor.do_normalize = False
    expected = pictures.transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(captioner.pixel_values(pictures).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("pictures", [noise(1, size=8), noise(1).astype(np.float32), noise(1)[0]])
def test_pictures_of_another_kind_are_refused(pictures: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"not uint8 \(N, 16, 16, 3\)"):
        small().pixel_values(pictures)


def test_prefix_is_what_the_processor_gives_to_generate() -> None:
    captioner = small()
    processor = BlipProcessor(captioner.image_processor, captioner.tokenizer)
    ids = processor(text="short caption:", return_tensors="np")["input_ids"][0]
    start = captioner.model.config.text_config.bos_token_id
    assert captioner.prefix("short caption:") == [start, *ids[1:-1].tolist()]
    assert captioner.prefix("") == [start]
