"""Moments: mean and covariance of features, in float64. Covariances divide by N - 1, as pytorch-fid and TTUR do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.metrics.features import Matrix


@dataclass(frozen=True)
class Moments:
    """A Gaussian fitted to features."""

    count: int
    mean: npt.NDArray[np.float64]  # (D,)
    covariance: npt.NDArray[np.float64]  # (D, D)


def fit_moments(features: Matrix) -> Moments:
    """Features (N, D), N at least 2 → their moments. Centred before squaring, so an offset costs no digits."""
    if len(features) < 2:
        raise ValueError(f"found {len(features)} images, expected at least 2 to fit a covariance")
    values = np.asarray(features, np.float64)
    mean = values.mean(axis=0)
    centred = values - mean
    return Moments(len(values), mean, centred.T @ centred / (len(values) - 1))
