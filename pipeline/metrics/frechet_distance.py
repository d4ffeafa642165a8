"""Fréchet distance between two Gaussians fitted to image features (FID).

    d² = |m₁ - m₂|² + tr S₁ + tr S₂ - 2 tr (S₁ S₂)^½

Source: Dowson & Landau 1982; as a GAN metric Heusel et al. 2017, arXiv 1706.08500. Lower is better; 0 means equal mean
and covariance. Covariances divide by N - 1. The distance is biased upwards when there are few images, so scores are
comparable at equal counts only; `frechet_interval.py` removes the bias and adds an error.

The last trace is computed by one of two routes. Both are real by construction and add no number to a diagonal:

- `factors`: with centred features X = W·Gᵀ·√(N-1), W of orthonormal columns, the trace is the sum of the singular
  values of G₁ᵀ G₂, their nuclear norm. Source: Mathiasen & Hvilshøj 2020, arXiv 2009.14075, for fewer images than
  dimensions. No value is squared and rooted again, so singular covariances, such as a collapsed generator's,
  keep all their digits.
- `eigenvalues`: the trace is the sum of the square roots of the eigenvalues of S₁ S₂, computed as one
  symmetric-definite eigenproblem (LAPACK sygv, type 2). This is four times faster at 2,048 dimensions. It is used there
  only if the eigenvalues show that no direction holds rounding errors alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.linalg import lapack

from pipeline.metrics.features import Matrix, expect_finite_rows
from pipeline.metrics.moments import Array, Moments, fit_moments

FEW_DIMENSIONS = 512  # up to this number factors cost little and are always used
# The least eigenvalue of S₁ S₂, as a share of the largest, for which the route by eigenvalues is used. Above it this
# route differed from the factors by at most 3e-13 of the value at 600 dimensions and 1e-12 at 2,048 (docs/log.md).
# Below it some directions may hold rounding errors alone.
LEAST_EIGENVALUE = 1e-11
WORK_COLUMNS = 64  # columns that LAPACK reduces together
EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class FrechetDistance:
    """The squared distance d² and how it was computed."""

    value: float
    route: str  # "factors" | "eigenvalues"
    rank: int  # rank of the product of both covariances


@dataclass(frozen=True)
class Factored:
    """A set of features (N, D) as mean and factor; its centred rows are W·Gᵀ·√(N-1)."""

    count: int
    mean: Array  # (D,)
    factor: Array  # G (D, r): G Gᵀ is the covariance
    rows: Array | None  # W (N, r), orthonormal columns; None if r = N and W is the identity

    @property
    def trace(self) -> float:
        """The trace of the covariance."""
        values = self.factor.ravel(order="K")  # a view in either memory order
        return float(values @ values)


def frechet_distance(first: Matrix, second: Matrix) -> FrechetDistance:
    """Return the squared distance d² of two sets of features (N, D) and (M, D): symmetric, real, at least 0."""
    expect_comparable_features(first, second)
    if first.shape[1] > FEW_DIMENSIONS and min(len(first), len(second)) > first.shape[1]:
        distance = _by_eigenvalues(fit_moments(first), fit_moments(second))
        if distance is not None:
            return distance
    return distance_of_factors(factorise(first), factorise(second))


def frechet_distance_of_moments(first: Moments, second: Moments) -> FrechetDistance:
    """Return the squared distance d² of two Gaussians. Use the features if you have them: they keep more digits."""
    if first.mean.shape != second.mean.shape:
        raise ValueError(f"found features of {first.mean.size} and {second.mean.size} values, expected equally many")
    if first.mean.size > FEW_DIMENSIONS:
        distance = _by_eigenvalues(first, second)
        if distance is not None:
            return distance
    return distance_of_factors(_factor_of_moments(first), _factor_of_moments(second))


def expect_comparable_features(first: Matrix, second: Matrix) -> None:
    """Raise `ValueError`, one sentence, if two sets of features cannot be compared."""
    for features in (first, second):
        expect_finite_rows("features", features)
        if len(features) < 2:
            raise ValueError(f"found {len(features)} images, expected at least 2 to fit a covariance")
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"found features of {first.shape[1]} and {second.shape[1]} values, expected equally many")


def factorise(features: Matrix, *, with_rows: bool = False) -> Factored:
    """Factorise features (N, D): the factor is the centred rows if N ≤ D, else the triangle of their QR."""
    values = np.asarray(features, np.float64)
    mean = values.mean(axis=0)
    centred = (values - mean) / np.sqrt(len(values) - 1)
    if len(values) <= values.shape[1]:
        return Factored(len(values), mean, centred.T, None)
    if not with_rows:
        (triangle,) = scipy.linalg.qr(centred, mode="r", overwrite_a=True, check_finite=False)
        return Factored(len(values), mean, triangle[: values.shape[1]].T, None)
    rows, triangle = scipy.linalg.qr(centred, mode="economic", overwrite_a=True, check_finite=False)
    return Factored(len(values), mean, triangle.T, rows)


def distance_of_factors(first: Factored, second: Factored) -> FrechetDistance:
    """Return the squared distance d² of two factored sets."""
    singular = scipy.linalg.svdvals(first.factor.T @ second.factor, check_finite=False)
    difference = first.mean - second.mean
    value = difference @ difference + (first.trace + second.trace - 2 * singular.sum())
    return FrechetDistance(max(float(value), 0.0), "factors", _rank(singular))


def _rank(singular: Array) -> int:
    return int((singular > singular.max(initial=0.0) * len(singular) * EPSILON).sum())


def _by_eigenvalues(first: Moments, second: Moments) -> FrechetDistance | None:
    """Return d² by the eigenvalues of S₁ S₂; None if no covariance is definite or rounding would show."""
    eigenvalues = _eigenvalues_of_product(first.covariance, second.covariance)
    if eigenvalues is None:
        eigenvalues = _eigenvalues_of_product(second.covariance, first.covariance)
    if eigenvalues is None or eigenvalues[0] < LEAST_EIGENVALUE * eigenvalues[-1]:
        return None
    roots, difference = np.sqrt(eigenvalues), first.mean - second.mean
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    value = float(difference @ difference + traces - 2 * roots.sum())
    return FrechetDistance(max(value, 0.0), "eigenvalues", _rank(roots))


def _eigenvalues_of_product(covariance: Array, definite: Array) -> Array | None:
    """Return the eigenvalues of the product (D,), rising; None if the second is not definite.

    The steps are those of `eigvalsh(covariance, definite, type=2, driver="gv")`, a tenth faster without its copies and
    checks.
    """
    lower, failed_at = lapack.dpotrf(definite.T, lower=1, clean=0)
    if failed_at:
        return None
    reduced, _ = lapack.dsygst(covariance.T, lower, itype=2, lower=1)
    _, diagonal, beside, _, _ = lapack.dsytrd(reduced, lower=1, lwork=WORK_COLUMNS * len(lower), overwrite_a=1)
    eigenvalues, not_converged = lapack.dsterf(diagonal, beside)
    return None if not_converged else eigenvalues


def _factor_of_moments(moments: Moments) -> Factored:
    """Factorise a Gaussian, leaving out directions that hold rounding errors alone."""
    values, vectors = scipy.linalg.eigh(moments.covariance)
    significant = values > values[-1] * len(values) * EPSILON
    return Factored(moments.count, moments.mean, vectors[:, significant] * np.sqrt(values[significant]), None)
