"""The Frechet distance between two sets of features, the FID of whatever network the features come
from."""

from __future__ import annotations

import numpy as np

from recap_assets.experiment.errors import UserError


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    """Frechet distance of two feature sets [N, D] and [M, D], in float64, as Gaussians.

    ||mu_x - mu_y||^2 + Tr(S_x + S_y - 2 (S_x S_y)^(1/2)) (arXiv 1706.08500), covariances over
    N - 1. With A = (X - mu) / sqrt(N - 1), Tr((S_x S_y)^(1/2)) is the nuclear norm of A_x A_y^T: no
    matrix square root, and exact for N < D. At small N it is biased upwards: compare equal N only.

    Raises:
        UserError: if a set has fewer than two rows, the widths differ or a value is not finite.
    """
    x, y = _checked(x), _checked(y)
    if x.shape[1] != y.shape[1]:
        raise UserError(
            f"features of width {x.shape[1]} and {y.shape[1]} do not compare; use one extractor"
        )
    offset = x.mean(0) - y.mean(0)
    a, b = _triangle(x), _triangle(y)
    shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    distance = offset @ offset + (a * a).sum() + (b * b).sum() - 2 * shared
    return max(float(distance), 0.0)


def _checked(features: np.ndarray) -> np.ndarray:
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise UserError(
            f"features of shape {features.shape}: a Frechet distance needs [N >= 2, D]; sample more"
        )
    if not np.isfinite(features).all():
        raise UserError("features hold NaN or infinity; check the extractor and the pictures")
    return features


def _triangle(features: np.ndarray) -> np.ndarray:
    """R of A = QR: min(N, D) rows; the nuclear norm and the trace do not see the rotation Q."""
    centred = (features - features.mean(0)) / np.sqrt(len(features) - 1)
    # Mode "r" gives R alone, whatever the type stubs say; making Q too costs three times as much.
    return np.asarray(np.linalg.qr(centred, mode="r"))
