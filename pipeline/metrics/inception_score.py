"""Inception Score: exp of the mean Kullback-Leibler divergence between p(y|x) and p(y). Higher is better, 1 to C.

Source: Salimans et al. 2016, arXiv 1606.03498; its weaknesses: Barratt & Sharma 2018, arXiv 1801.01973. Probabilities
come from the logits through log-softmax in float64, so that a saturated classifier gives p log p = 0 and not NaN.
Given for all images at once, and as mean and population deviation over ten splits, the form papers quote: the split
score is biased downwards when a split has few images, so compare like with like. The score of infinitely many images
(Chong & Forsyth 2020, arXiv 1911.07023) lies on the line through the whole and its halves, as in `frechet_interval.py`;
the standard error is that of the first-order expansion: an image moves the logarithm of the score by how far its own
divergence lies from the mean.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.special

from pipeline.metrics.features import ATTRIBUTES, CLASSES, IMAGENET, Features, Matrix, Metric, Real, Score
from pipeline.metrics.frechet_interval import by_content

SPLITS = 10
SHUFFLE_SEED = 0  # images sorted by class would make splits of few classes
FEWEST_IMAGES = 4  # halves of 2
SUM_TOLERANCE = 1e-3  # of probabilities that are given, such as float16 ones


@dataclass(frozen=True)
class InceptionScore:
    """The score of all images at once."""

    value: float
    standard_error: float


def log_probabilities(logits: Matrix) -> npt.NDArray[np.float64]:
    """Logits (N, C) → log p(y|x) (N, C), none of them NaN."""
    return np.asarray(scipy.special.log_softmax(np.asarray(logits, np.float64), axis=1))


def log_of_probabilities(probabilities: Matrix) -> npt.NDArray[np.float64]:
    """Probabilities (N, C) → their logarithms, -inf for 0; rows must add up to 1."""
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


def inception_score(log_p: Matrix) -> InceptionScore:
    """Logarithms of p(y|x) (N, C) → the score of all images at once."""
    probabilities = np.exp(log_p)
    log_marginal = scipy.special.logsumexp(log_p, axis=0) - np.log(len(log_p))
    possible = probabilities > 0  # p log p is 0 for p = 0
    log_ratio = np.subtract(log_p, log_marginal, out=np.zeros_like(probabilities), where=possible)
    divergence = (probabilities * log_ratio).sum(axis=1)
    score = float(np.exp(divergence.mean()))
    return InceptionScore(score, float(score * divergence.std() / np.sqrt(len(log_p))))


def split_inception_score(log_p: Matrix, splits: int = SPLITS) -> tuple[float, float]:
    """Mean and population standard deviation over `splits` shuffled parts i·N/S … (i+1)·N/S that use every image."""
    if len(log_p) < splits:
        raise ValueError(f"found {len(log_p)} images, expected at least one for each of {splits} splits")
    shuffled = log_p[np.random.default_rng(SHUFFLE_SEED).permutation(len(log_p))]
    bounds = [index * len(log_p) // splits for index in range(splits + 1)]
    scores = [inception_score(shuffled[start:stop]).value for start, stop in itertools.pairwise(bounds)]
    return float(np.mean(scores)), float(np.std(scores))


def inception_score_infinity(log_p: Matrix) -> float:
    """The score without the bias of few images: twice that of all less the mean of the halves'."""
    if len(log_p) < FEWEST_IMAGES:
        raise ValueError(f"found {len(log_p)} images, expected at least {FEWEST_IMAGES} to extrapolate")
    halves = np.array_split(by_content(log_p), 2)
    return 2 * inception_score(log_p).value - float(np.mean([inception_score(half).value for half in halves]))


def scores_of(log_p: Matrix) -> dict[str, Score]:
    """Logarithms of p(y|x) (N, C) → every form of the score, by name."""
    whole = inception_score(log_p)
    mean, deviation = split_inception_score(log_p)
    return {
        "inception_score": Score(whole.value, whole.standard_error),
        "inception_score_splits_mean": Score(mean),
        "inception_score_splits_std": Score(deviation),
        "inception_score_infinity": Score(inception_score_infinity(log_p), whole.standard_error),
    }


def _compute(judged: Features, real: Real) -> dict[str, Score]:  # noqa: ARG001, the score needs no real images
    assert judged.logits is not None
    return scores_of(log_probabilities(judged.logits))


METRIC = Metric(
    {
        "inception_score": "higher",
        "inception_score_splits_mean": "higher",
        "inception_score_splits_std": "neither",
        "inception_score_infinity": "higher",
    },
    _compute,
    labels=(CLASSES, ATTRIBUTES, IMAGENET),
    notes={ATTRIBUTES: "not comparable with any published score: a softmax over attributes, of which several may hold"},
)
