from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.evaluation.boxes import iou
from recap_assets.evaluation.detect import Detection, Detector, suppress
from recap_assets.experiment.errors import UserError

sides = st.floats(1, 8)
detections = st.builds(
    lambda label, score, x, y, w, h: Detection(label, score, (x, y, x + w, y + h)),
    st.sampled_from(["a", "b"]),
    st.floats(0, 1),
    *[st.floats(0, 8)] * 2,
    *[sides] * 2,
)


def raw_detections(folder: Path, picture: np.ndarray, threshold: float) -> list[Detection]:
    """The detector's answer worked out from its logits, one picture at a time."""
    import torch
    from PIL import Image
    from transformers import YolosForObjectDetection

    model = YolosForObjectDetection.from_pretrained(folder).eval()
    resized = np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.BILINEAR))
    values = (resized / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.inference_mode():
        outputs = model(torch.tensor(values, dtype=torch.float32).permute(2, 0, 1)[None])
    logits = outputs.logits[0].double().numpy()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found = []
    for share, (cx, cy, w, h) in zip(shares, outputs.pred_boxes[0].tolist(), strict=True):
        best = int(share[:-1].argmax())
        if share[best] > threshold:
            x = np.clip([cx - w / 2, cx + w / 2], 0, 1) * picture.shape[1]
            y = np.clip([cy - h / 2, cy + h / 2], 0, 1) * picture.shape[0]
            found.append(Detection(model.config.id2label[best], share[best], (*x, *y)))
    return sorted(found, key=lambda detection: -detection.score)


def test_detections_are_the_models_own_in_pixels_of_the_picture(
    detector_folder: Path, pictures: np.ndarray
) -> None:
    found = Detector.load(detector_folder, 0.4, nms=None, batch=3).detect(pictures)
    expected = [raw_detections(detector_folder, picture, 0.4) for picture in pictures]
    assert sum(map(len, expected)) >= 5, "the untrained detector must answer something"
    assert [[d.label for d in row] for row in found] == [[d.label for d in r] for r in expected]
    for ours, theirs in zip(chain(*found), chain(*expected), strict=True):
        assert ours.score == pytest.approx(theirs.score, abs=1e-4)
        x0, x1, y0, y1 = theirs.box
        assert ours.box == pytest.approx((x0, y0, x1, y1), abs=0.05)


def test_batch_size_does_not_matter_and_suppression_is_on_by_default(
    detector_folder: Path, pictures: np.ndarray
) -> None:
    whole = Detector.load(detector_folder, 0.1)
    single = Detector.load(detector_folder, 0.1, batch=1)
    raw = Detector.load(detector_folder, 0.1, nms=None)
    for row, other, unsuppressed in zip(
        whole.detect(pictures), single.detect(pictures), raw.detect(pictures), strict=True
    ):
        assert [d.label for d in row] == [d.label for d in other]
        np.testing.assert_allclose([d.box for d in row], [d.box for d in other], atol=1e-3)
        assert row == suppress(unsuppressed, 0.5)
    assert whole.detect(pictures[:0]) == []


def test_the_name_says_type_and_weights(detector_folder: Path) -> None:
    detector = Detector.load(str(detector_folder))
    assert detector.name == f"yolos:{detector.digest[:12]}"
    assert detector.labels == ("red circle", "blue square", "green star")


def test_a_missing_folder_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        Detector.load(tmp_path / "nowhere")


@given(st.lists(detections, max_size=8), st.floats(0.1, 0.9))
def test_suppression_keeps_the_best_of_every_overlapping_group(found, threshold) -> None:
    kept = suppress(found, threshold)

    def rivals(a: Detection, b: Detection) -> bool:
        return a.label == b.label and iou(a.box, b.box) > threshold

    assert not any(rivals(a, b) for i, a in enumerate(kept) for b in kept[:i])
    assert [d.score for d in kept] == sorted((d.score for d in kept), reverse=True)
    for gone in (d for d in found if d not in kept):
        assert any(rivals(gone, winner) and winner.score >= gone.score for winner in kept)


def test_suppression_by_hand() -> None:
    strong = Detection("a", 0.9, (0, 0, 10, 10))
    shadow = Detection("a", 0.8, (0, 0, 10, 9))  # IoU 0.9
    half = Detection("a", 0.7, (0, 0, 10, 5))  # IoU 0.5, which is not above 0.5
    other = Detection("b", 0.6, (0, 0, 10, 10))
    assert suppress([other, shadow, half, strong]) == [strong, half, other]
