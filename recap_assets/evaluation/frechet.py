"""The Frechet distance between two sets of features, the FID of whatever network the features come
from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recap_assets.experiment.errors import UserError


class Gaussian(NamedTuple):
    """What the distance needs of a feature set [N, D].

    mean: [D]. triangle: R [min(N, D), D] of A = (X - mean) / sqrt(N - 1) = QR, so that R^T R is the
    covariance; the nuclear norm and the trace do not see the rotation Q.
    """

    mean: np.ndarray
    triangle: np.ndarray


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    """Frechet distance of two feature sets [N, D] and [M, D], in float64, as Gaussians.

    Raises:
        UserError: as `gaussian` and `distance`.
    """
    return distance(gaussian(x), gaussian(y))


def gaussian(features: np.ndarray) -> Gaussian:
    """The Gaussian of a feature set [N, D], in float64.

    Raises:
        UserError: if the set has fewer than two rows or a value is not finite.
    """
    features = _checked(features)
    mean = features.mean(0)
    centred = (features - mean) / np.sqrt(len(features) - 1)
    # Mode "r" gives R alone, whatever the type stubs say; making Q too costs three times as much.
    return Gaussian(mean, np.asarray(np.linalg.qr(centred, mode="r")))


def distance(x: Gaussian, y: Gaussian) -> float:
    """Frechet distance of two Gaussians.

    ||mu_x - mu_y||^2 + Tr(S_x + S_y - 2 (S_x S_y)^(1/2)) (arXiv 1706.08500), covariances over
    N - 1. With S = R^T R, Tr((S_x S_y)^(1/2)) is the nuclear norm of R_x R_y^T: no matrix square
    root, and exact for N < D. At small N it is biased upwards: compare equal N only.

    Raises:
        UserError: if the widths differ.
    """
    if len(x.mean) != len(y.mean):
        raise UserError(
            f"features of width {len(x.mean)} and {len(y.mean)} do not compare; use one extractor"
        )
    offset, a, b = x.mean - y.mean, x.triangle, y.triangle
    shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    found = offset @ offset + (a * a).sum() + (b * b).sum() - 2 * shared
    return max(float(found), 0.0)


def _checked(features: np.ndarray) -> np.ndarray:
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise UserError(
            f"features of shape {features.shape}: a Frechet distance needs [N >= 2, D]; sample more"
        )
    if not np.isfinite(features).all():
        raise UserError("features hold NaN or infinity; check the extractor and the pictures")
    return features
