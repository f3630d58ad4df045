"""A tiny untrained detector on disk, saved the way a hub model is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def detector_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import YolosConfig, YolosForObjectDetection
    from transformers.models.yolos.image_processing_pil_yolos import YolosImageProcessorPil

    labels = {0: "red circle", 1: "blue square", 2: "green star"}
    config = YolosConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=(64, 64),
        patch_size=16,
        num_detection_tokens=6,
        # Far from the usual 0.02, so that queries and pictures differ in what they answer.
        initializer_range=0.7,
        id2label=labels,
        label2id={label: number for number, label in labels.items()},
    )
    folder = tmp_path_factory.mktemp("detector")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        YolosForObjectDetection(config).save_pretrained(folder)
    size = {"height": 64, "width": 64}
    YolosImageProcessorPil(do_resize=True, do_pad=True, size=size).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """Seven noise pictures, uint8 [7, 48, 96, 3]: not square, and not the detector's size."""
    return np.random.default_rng(0).integers(0, 256, (7, 48, 96, 3), dtype=np.uint8)
