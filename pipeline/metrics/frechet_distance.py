"""Fréchet distance between two Gaussians fitted to image features (FID).

    d² = |m₁ - m₂|² + tr S₁ + tr S₂ - 2 tr (S₁ S₂)^½

Source: Dowson & Landau 1982; as a GAN metric Heusel et al. 2017, arXiv 1706.08500. Lower is better; 0 means equal mean
and covariance. With factors Sᵢ = Lᵢ Lᵢᵀ the last trace is the sum of the singular values of L₁ᵀ L₂ (nuclear norm), so
nothing is squared and rooted again: singular covariances, such as a collapsed generator's, keep all their digits.
The distance is biased upwards when there are few images, so scores are comparable at equal counts only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.linalg

from pipeline.metrics.features import Features, Metric
from pipeline.metrics.moments import Moments, fit_moments


def frechet_distance(first: Moments, second: Moments) -> float:
    """The squared distance d² that is called FID: symmetric, real, at least 0."""
    if first.mean.shape != second.mean.shape:
        raise ValueError(f"found features of {first.mean.size} and {second.mean.size} values, expected equally many")
    difference = first.mean - second.mean
    overlap = scipy.linalg.svdvals(_factor(first.covariance).T @ _factor(second.covariance)).sum()
    distance = difference @ difference + np.trace(first.covariance) + np.trace(second.covariance) - 2 * overlap
    return max(float(distance), 0.0)


def _factor(covariance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """L (D, rank) with L Lᵀ = covariance; directions of rounding error alone are left out."""
    values, vectors = scipy.linalg.eigh(covariance)
    kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
    if not kept.any():
        return np.zeros((len(values), 1))  # no spread at all: every image has the same features
    factor: npt.NDArray[np.float64] = vectors[:, kept] * np.sqrt(values[kept])
    return factor


def _compute(judged: Features, real: Features) -> dict[str, float]:
    return {"fid": frechet_distance(fit_moments(judged.features), fit_moments(real.features))}


METRIC = Metric({"fid": "lower"}, _compute)
