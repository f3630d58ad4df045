from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recap_assets.evaluation.features import Extractor
from recap_assets.evaluation.frechet import frechet


def test_features_are_the_mean_of_the_backbones_last_state(
    detector_folder: Path, pictures: np.ndarray
) -> None:
    import torch
    from transformers import YolosForObjectDetection

    extractor = Extractor.load(detector_folder, batch=2)
    model = YolosForObjectDetection.from_pretrained(detector_folder).eval()
    with torch.inference_mode():
        outputs = model(extractor.weights.pixels(pictures)["pixel_values"])
    expected = outputs.last_hidden_state.mean(1).numpy()
    found = extractor.extract(pictures)
    assert found.shape == (7, 16)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert extractor.name == f"yolos:{extractor.digest[:12]}"


def test_equal_picture_sets_are_at_distance_zero(
    detector_folder: Path, pictures: np.ndarray
) -> None:
    features = Extractor.load(detector_folder).extract(pictures)
    assert frechet(features, features[::-1]) == pytest.approx(0, abs=1e-9)
    assert frechet(features, features + 0.5) > 1


def test_a_two_tower_models_vision_side_is_used(tmp_path: Path, pictures: np.ndarray) -> None:
    from transformers import CLIPConfig, CLIPModel, CLIPVisionModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    config = CLIPConfig(
        text_config={**small, "num_attention_heads": 2, "vocab_size": 50},
        vision_config={**small, "num_attention_heads": 2, "image_size": 32, "patch_size": 16},
    )
    CLIPModel(config).save_pretrained(tmp_path)
    size = {"height": 32, "width": 32}
    processor = CLIPImageProcessorPil(size=size, crop_size=size)
    processor.save_pretrained(tmp_path)
    extractor = Extractor.load(tmp_path)
    vision = CLIPVisionModel.from_pretrained(tmp_path).eval()
    pixels = processor(images=list(pictures), return_tensors="pt")["pixel_values"]
    expected = vision(pixels).last_hidden_state.mean(1).detach().numpy()
    np.testing.assert_allclose(extractor.extract(pictures), expected, atol=1e-5)
