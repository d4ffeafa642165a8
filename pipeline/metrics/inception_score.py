"""Inception Score: exp of the mean Kullback-Leibler divergence between p(y|x) and p(y). Higher is better, 1 to C.

Source: Salimans et al. 2016, arXiv 1606.03498; its weaknesses: Barratt & Sharma 2018, arXiv 1801.01973. Probabilities
come from the logits through log-softmax in float64, so that a saturated classifier gives p log p = 0 and not NaN.
Given for all images at once, and as mean and population deviation over ten splits, the form papers quote: the split
score is biased downwards when a split has few images, so compare like with like.
"""

from __future__ import annotations

import itertools

import numpy as np
import scipy.special

from pipeline.metrics.features import ATTRIBUTES, Features, Matrix, Metric

SPLITS = 10
SHUFFLE_SEED = 0  # images sorted by class would make splits of few classes


def inception_score(logits: Matrix) -> float:
    """Logits (N, C) → the score of all images at once."""
    log_probabilities = scipy.special.log_softmax(np.asarray(logits, np.float64), axis=1)
    probabilities = np.exp(log_probabilities)
    log_marginal = scipy.special.logsumexp(log_probabilities, axis=0) - np.log(len(log_probabilities))
    divergence = (probabilities * (log_probabilities - log_marginal)).sum(axis=1)
    return float(np.exp(divergence.mean()))


def split_inception_score(logits: Matrix, splits: int = SPLITS) -> tuple[float, float]:
    """Mean and population standard deviation over `splits` shuffled parts i·N/S … (i+1)·N/S that use every image."""
    if len(logits) < splits:
        raise ValueError(f"found {len(logits)} images, expected at least one for each of {splits} splits")
    shuffled = np.asarray(logits)[np.random.default_rng(SHUFFLE_SEED).permutation(len(logits))]
    bounds = [index * len(logits) // splits for index in range(splits + 1)]
    scores = [inception_score(shuffled[start:stop]) for start, stop in itertools.pairwise(bounds)]
    return float(np.mean(scores)), float(np.std(scores))


def _compute(judged: Features, real: Features) -> dict[str, float]:  # noqa: ARG001, the score needs no real images
    mean, deviation = split_inception_score(judged.logits)
    return {
        "inception_score": inception_score(judged.logits),
        "inception_score_splits_mean": mean,
        "inception_score_splits_std": deviation,
    }


METRIC = Metric(
    {
        "inception_score": "higher",
        "inception_score_splits_mean": "higher",
        "inception_score_splits_std": "neither",
    },
    _compute,
    notes={ATTRIBUTES: "not comparable with any published score: a softmax over attributes, of which several may hold"},
)
