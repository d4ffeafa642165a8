"""Inception Score: exp of the mean Kullback-Leibler divergence between p(y|x) and p(y). Higher is better, 1 to C.

Source: Salimans et al. 2016, arXiv 1606.03498; its weaknesses: Barratt & Sharma 2018, arXiv 1801.01973. Probabilities
come from the logits through log-softmax in float64, so that a saturated classifier gives p log p = 0 and not NaN.
The score is computed for all images at once, and as mean and population deviation over ten splits, the form papers
quote. The split score is biased downwards if a split has few images, so compare equal sizes only. The score of
infinitely many images (Chong & Forsyth 2020, arXiv 1911.07023) lies on the line through the full set and its halves, as
in `frechet_interval.py`. The standard error is that of the first-order expansion: an image moves the logarithm of the
score by the distance of its own divergence from the mean. `halving.py` separates linear and quadratic parts, as for the
Fréchet distance.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.special

from pipeline.metrics.features import ATTRIBUTES, CLASSES, IMAGENET, Features, Matrix
from pipeline.metrics.halving import halving_orders, variances
from pipeline.metrics.metric import Metric, Need, RealFeatures, ScoreDefinition
from pipeline.metrics.score import Score

SPLITS = 10
SHUFFLE_SEED = 0  # images sorted by class would make splits of few classes
FEWEST_IMAGES = 4  # halves of 2
SUM_TOLERANCE = 1e-3  # for the sum of probabilities from a file, such as float16 ones


@dataclass(frozen=True)
class InceptionScore:
    """The score of all images at once and of infinitely many; NaN if there are too few images for a value."""

    value: float
    standard_error: float = math.nan
    infinity: float = math.nan
    infinity_standard_error: float = math.nan


def log_probabilities(logits: Matrix) -> npt.NDArray[np.float64]:
    """Return log p(y|x) (N, C) of logits (N, C), without NaN."""
    return np.asarray(scipy.special.log_softmax(np.asarray(logits, np.float64), axis=1))


def log_of_probabilities(probabilities: Matrix) -> npt.NDArray[np.float64]:
    """Return the logarithms of probabilities (N, C), -inf for 0. Raise `ValueError` unless each row adds up to 1."""
    values = np.asarray(probabilities, np.float64)
    if values.ndim != 2:
        raise ValueError(f"probabilities: found shape {values.shape}, expected (N, classes)")
    wrong = ~(np.isclose(values.sum(axis=1), 1, rtol=0, atol=SUM_TOLERANCE) & (values >= 0).all(axis=1))
    if wrong.any():
        first = int(wrong.argmax())
        raise ValueError(
            f"probabilities: found {wrong.sum()} of {len(values)} rows that are not probabilities (row {first} adds up "
            f"to {values[first].sum():.4g}), expected numbers from 0 that add up to 1 in each row"
        )
    with np.errstate(divide="ignore"):
        return np.log(values)


def inception_score(log_p: Matrix) -> float:
    """Return the score of all images at once from logarithms of p(y|x) (N, C)."""
    return _score_and_variance(log_p)[0]


def _score_and_variance(log_p: Matrix) -> tuple[float, float]:
    """Return the score and its variance by the first-order expansion."""
    probabilities = np.exp(log_p)
    log_marginal = scipy.special.logsumexp(log_p, axis=0) - np.log(len(log_p))
    possible = probabilities > 0  # p log p is 0 for p = 0
    log_ratio = np.subtract(log_p, log_marginal, out=np.zeros_like(probabilities), where=possible)
    divergence = (probabilities * log_ratio).sum(axis=1)
    score = float(np.exp(divergence.mean()))
    return score, score**2 * float(divergence.var()) / len(log_p)


def estimate_inception_score(log_p: Matrix) -> InceptionScore:
    """Estimate score, errors, and the score without the bias of few images, from logarithms of p(y|x) (N, C)."""
    value, variance = _score_and_variance(log_p)
    if len(log_p) < FEWEST_IMAGES:
        return InceptionScore(value)
    halves = [
        _score_and_variance(log_p[half]) for order in halving_orders(np.exp(log_p)) for half in np.array_split(order, 2)
    ]
    score_of_halves, variance_of_halves = np.mean(halves, axis=0)
    plain, extrapolated = variances(variance, float(variance_of_halves))
    return InceptionScore(value, plain**0.5, 2 * value - float(score_of_halves), extrapolated**0.5)


def split_inception_score(log_p: Matrix, splits: int = SPLITS) -> tuple[float, float]:
    """Return mean and population deviation over `splits` shuffled parts i·N/S … (i+1)·N/S that use every image."""
    if len(log_p) < splits:
        raise ValueError(f"found {len(log_p)} images, expected at least one for each of {splits} splits")
    shuffled = log_p[np.random.default_rng(SHUFFLE_SEED).permutation(len(log_p))]
    bounds = [index * len(log_p) // splits for index in range(splits + 1)]
    scores = [inception_score(shuffled[start:stop]) for start, stop in itertools.pairwise(bounds)]
    return float(np.mean(scores)), float(np.std(scores))


def _from_probabilities(log_p: Matrix) -> dict[str, Score]:
    """Compute from logarithms of p(y|x) (N, C) every form of the score that so many images define, by name."""
    estimate = estimate_inception_score(log_p)
    scores = {"inception_score": Score(estimate.value, estimate.standard_error)}
    if len(log_p) >= SPLITS:
        mean, deviation = split_inception_score(log_p)
        scores |= {"inception_score_splits_mean": Score(mean), "inception_score_splits_std": Score(deviation)}
    if len(log_p) >= FEWEST_IMAGES:
        scores["inception_score_infinity"] = Score(estimate.infinity, estimate.infinity_standard_error)
    return scores


def _compute(generated: Features, real: RealFeatures) -> dict[str, Score]:  # noqa: ARG001, needs no real images
    assert generated.logits is not None
    return _from_probabilities(log_probabilities(generated.logits))


METRIC = Metric(
    scores=(
        ScoreDefinition(
            "inception_score",
            "Inception Score",
            "exp of the mean divergence of an image's classes from those of all images, over all images at once "
            "(Salimans et al. 2016).",
            "higher",
            has_error=True,
        ),
        ScoreDefinition(
            "inception_score_splits_mean",
            "Inception Score, splits",
            "The mean Inception Score over ten splits, the form that papers quote.",
            "higher",
            fewest_images=SPLITS,
        ),
        ScoreDefinition(
            "inception_score_splits_std",
            "Inception Score, deviation",
            "The deviation of the Inception Score between the ten splits.",
            "neither",
            fewest_images=SPLITS,
        ),
        ScoreDefinition(
            "inception_score_infinity",
            "IS∞",
            "The Inception Score followed along 1/n to infinitely many images.",
            "higher",
            fewest_images=FEWEST_IMAGES,
            has_error=True,
        ),
    ),
    needs=(Need.PROBABILITIES,),
    from_features=_compute,
    from_probabilities=_from_probabilities,
    labels=(CLASSES, ATTRIBUTES, IMAGENET),
    notes={ATTRIBUTES: "not comparable with any published score: a softmax over attributes, of which several may hold"},
)
