"""Fréchet distance with its standard error, and extrapolated to infinitely many images.

Source of the extrapolation in 1/n: Chong & Forsyth 2020, arXiv 1911.07023. Here it needs no random subsets. Both sets
are halved. The line through the distance of the full sets and the mean distance of the halves is followed to 1/n = 0,

    FID∞ = 2·FID(n) - mean FID of halves, over a few halvings (`halving.py`).

The standard error is that of the distance's first-order (von Mises) expansion. With T the optimal map from N₁ to N₂,
T = S₁^-½ (S₁^½ S₂ S₁^½)^½ S₁^-½, an image x of the first set moves the distance by its influence

    IF₁(x) = (x-m₁)ᵀ(I-T)(x-m₁) + 2(x-m₁)ᵀ(m₁-m₂),   and of the second by the same with T⁻¹ and m₂-m₁,

so V = var(IF₁)/n₁ + var(IF₂)/n₂. If both sets are nearly alike, the linear part of the distance's variance vanishes and
a quadratic part remains; `halving.variances` separates them. docs/log.md compares the error with repeated draws.
The halves change with the features: rounding alone moves FID∞ by a few hundredths of its standard error.

A percentile bootstrap would be wrong here. A resample has fewer different images, so its distances are biased upwards
by several standard errors. The interval would not even contain the score itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from pipeline.metrics.features import Features, Matrix
from pipeline.metrics.frechet_distance import (
    EPSILON,
    FEW_DIMENSIONS,
    Factored,
    FrechetDistance,
    expect_comparable_features,
    factorise,
    frechet_distance,
    frechet_distance_of_moments,
)
from pipeline.metrics.halving import Order, halving_orders, variances
from pipeline.metrics.metric import Metric, Need, RealFeatures, ScoreDefinition
from pipeline.metrics.moments import Array, Moments, fit_moments
from pipeline.metrics.score import Score

FEWEST_IMAGES = 4  # halves of 2
STRAIGHT = 4.0  # standard errors by which quarters may miss the line through the full sets and their halves


@dataclass(frozen=True)
class FrechetEstimate:
    """The Fréchet distance of two sets of images and of the distributions they come from."""

    distance: FrechetDistance
    standard_error: float
    infinity: float  # without the bias of few images; below 0 if only noise remains
    infinity_standard_error: float
    slope: float  # increase if both sets are half as large: FID(n/k) = infinity + slope·k
    bend: float  # distance of quarters from that line, in standard errors of `infinity`; NaN below 8 images
    note: str  # reason not to trust `infinity`, or empty


def estimate_frechet(first: Matrix, second: Matrix) -> FrechetEstimate:
    """Estimate the distance of features (N, D) and (M, D), at least 4 images each, in any order of the images."""
    expect_comparable_features(first, second)
    if min(len(first), len(second)) < FEWEST_IMAGES:
        raise ValueError(f"found {len(first)} and {len(second)} images, expected at least {FEWEST_IMAGES} for an error")
    distance, variance = frechet_distance(first, second), _variance(first, second)
    orders = list(zip(halving_orders(first), halving_orders(second), strict=True))
    distance_of_halves = float(np.mean([_distance_of_parts(first, second, order, 2) for order in orders]))
    # one halving is enough here: the variance only separates a linear from a quadratic part
    variance_of_halves = float(np.mean([_variance(*pair) for pair in _parts(first, second, orders[0], 2)]))
    plain, extrapolated = variances(variance, variance_of_halves)
    infinity, slope = 2 * distance.value - distance_of_halves, distance_of_halves - distance.value
    bend = _bend(first, second, orders, infinity + 4 * slope, extrapolated**0.5)
    return FrechetEstimate(
        distance,
        standard_error=plain**0.5,
        infinity=infinity,
        infinity_standard_error=extrapolated**0.5,
        slope=slope,
        bend=bend,
        note=_note(min(len(first), len(second)), first.shape[1], bend),
    )


def influences(first: Matrix, second: Matrix) -> tuple[Array, Array]:
    """Return by how much each image moves the distance: (N,) and (M,), each of mean 0 up to a constant."""
    if first.shape[1] > FEW_DIMENSIONS and min(len(first), len(second)) > first.shape[1]:
        try:
            return _influences_of_moments(first, second, fit_moments(first), fit_moments(second))
        except np.linalg.LinAlgError:
            pass  # the second covariance is not definite: factors do not need it to be
    return _influences_of_factors(first, second)


def _variance(first: Matrix, second: Matrix) -> float:
    return float(sum(influence.var(ddof=1) / len(influence) for influence in influences(first, second)))


def _parts(first: Matrix, second: Matrix, order: tuple[Order, Order], count: int) -> list[tuple[Matrix, Matrix]]:
    """Cut both sets into `count` parts, in this order of their rows."""
    cuts = zip(*(np.array_split(rows, count) for rows in order), strict=True)
    return [(first[first_rows], second[second_rows]) for first_rows, second_rows in cuts]


def _distance_of_parts(first: Matrix, second: Matrix, order: tuple[Order, Order], count: int) -> float:
    return float(np.mean([frechet_distance(*pair).value for pair in _parts(first, second, order, count)]))


def _bend(first: Matrix, second: Matrix, orders: list[tuple[Order, Order]], on_the_line: float, error: float) -> float:
    """Return how far quarters lie off the line, in standard errors; NaN with too few images for quarters."""
    if min(len(first), len(second)) < 2 * FEWEST_IMAGES or error == 0:
        return float("nan")
    distance_of_quarters = float(np.mean([_distance_of_parts(first, second, order, 4) for order in orders]))
    return (distance_of_quarters - on_the_line) / error


def _note(images: int, dimensions: int, bend: float) -> str:
    if abs(bend) <= STRAIGHT or np.isnan(bend):
        return ""
    return (
        f"the distance of {images:,} images in {dimensions:,} dimensions does not fall along a straight line in 1/n "
        f"(quarters lie {abs(bend):.1f} standard errors off), so its end at 1/n = 0 is a guess"
    )


def _influences_of_factors(first: Matrix, second: Matrix) -> tuple[Array, Array]:
    """Return the influences by factors: G₁ᵀ G₂ = U Σ Vᵀ gives row j of the first set (x-m₁)ᵀ T (x-m₁).

    It is (N-1) Σᵢ σᵢ (W U)ⱼᵢ².
    """
    one, other = factorise(first, with_rows=True), factorise(second, with_rows=True)
    left, singular, right = scipy.linalg.svd(one.factor.T @ other.factor, full_matrices=False, check_finite=False)
    difference = one.mean - other.mean
    return (
        _influence(first, one.mean, _mapped(one, left, singular), difference),
        _influence(second, other.mean, _mapped(other, right.T, singular), -difference),
    )


def _mapped(factored: Factored, vectors: Array, singular: Array) -> Array:
    rotated = vectors if factored.rows is None else factored.rows @ vectors
    mapped: Array = (factored.count - 1) * (rotated**2 @ singular)
    return mapped


def _influences_of_moments(first: Matrix, second: Matrix, one: Moments, other: Moments) -> tuple[Array, Array]:
    """Return the influences by moments: S₂ = L Lᵀ and Lᵀ S₁ L = V Σ² Vᵀ give T = L V Σ⁻¹ Vᵀ Lᵀ.

    Its inverse is T⁻¹ = L⁻ᵀ V Σ Vᵀ L⁻¹.
    """
    lower = scipy.linalg.cholesky(other.covariance, lower=True, check_finite=False)
    squares, vectors = scipy.linalg.eigh(lower.T @ one.covariance @ lower, check_finite=False, overwrite_a=True)
    significant = squares > squares[-1] * len(squares) * EPSILON
    roots, vectors = np.sqrt(squares[significant]), vectors[:, significant]
    forth = lower @ (vectors / np.sqrt(roots))
    back = scipy.linalg.solve_triangular(lower, vectors * np.sqrt(roots), lower=True, trans="T", check_finite=False)
    difference = one.mean - other.mean
    return (
        _influence(first, one.mean, (((first - one.mean) @ forth) ** 2).sum(axis=1), difference),
        _influence(second, other.mean, (((second - other.mean) @ back) ** 2).sum(axis=1), -difference),
    )


def _influence(features: Matrix, mean: Array, mapped: Array, difference: Array) -> Array:
    centred = np.asarray(features, np.float64) - mean
    influence: Array = (centred**2).sum(axis=1) - mapped + 2 * centred @ difference
    return influence


def _compute(generated: Features, real: RealFeatures) -> dict[str, Score]:
    first, second = generated.features, real.test.features
    fewest = min(len(first), len(second))
    if fewest < FEWEST_IMAGES:
        note = f"fid: no standard error, found {fewest} images, expected at least {FEWEST_IMAGES}"
        return {"fid": _fid(frechet_distance(first, second), None, fewest, first.shape[1], note)}
    estimate = estimate_frechet(first, second)
    # the error of an extrapolation along a bent line is unknown
    error = None if estimate.note else estimate.infinity_standard_error
    return {
        "fid": _fid(estimate.distance, estimate.standard_error, fewest, first.shape[1]),
        "fid_infinity": Score(estimate.infinity, error, notes=_notes_on_infinity(estimate)),
    }


def _from_moments(generated: Matrix, real: Moments) -> dict[str, Score]:
    distance = frechet_distance_of_moments(fit_moments(generated), real)
    return {"fid": _fid(distance, None, len(generated), generated.shape[1])}


def _fid(distance: FrechetDistance, error: float | None, fewest: int, dimensions: int, *notes: str) -> Score:
    singular = (
        f"fid: {fewest:,} images for {dimensions:,} dimensions leave a covariance singular; the distance is exact, but "
        "far above that of many images"
    )
    notes = (singular, *notes) if fewest <= dimensions else notes
    return Score(distance.value, error, notes=notes, details={"route": distance.route, "rank": distance.rank})


def _notes_on_infinity(estimate: FrechetEstimate) -> tuple[str, ...]:
    if estimate.note:
        return (f"fid_infinity is not to be trusted: {estimate.note}",)
    if estimate.infinity < 0:
        return ("fid_infinity is below 0: beyond the bias of few images, only noise is left between the sets",)
    return ()


METRIC = Metric(
    scores=(
        ScoreDefinition(
            "fid",
            "FID",
            "Fréchet distance between Gaussians fitted to the features of generated and of real test images "
            "(Heusel et al. 2017).",
            "lower",
            fewest_images=2,  # a covariance divides by N - 1
            has_error=True,
            details=("route", "rank"),
            scale="log",
        ),
        ScoreDefinition(
            "fid_infinity",
            "FID∞",
            "FID followed along 1/n to infinitely many images (Chong and Forsyth 2020), here from halves.",
            "lower",
            fewest_images=FEWEST_IMAGES,
            has_error=True,
            scale="log",
        ),
    ),
    needs=(Need.FEATURES,),
    from_features=_compute,
    from_moments=_from_moments,
)
