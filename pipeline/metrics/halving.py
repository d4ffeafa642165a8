"""Halving: random halves of a set of images, for scores that are extrapolated to infinitely many.

In: rows of features or probabilities (N, D). Out: orders of the rows, to be cut in two. Neither the order of the images
nor rounding decides who stands where: a row's place is drawn from a hash of eight coarse random projections of it, so
that the same images in another order, in another batch size or on another device are halved alike, but for one row in
thousands that lies on the edge of a step. Copies of one image are counted, and the count goes into the hash: they are
spread over both halves as independent images would be.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.metrics.features import Matrix

HALVINGS = 4  # averaged; one alone adds as much noise to what is left of two equal distributions as there is
PROJECTIONS = 8
STEPS_A_DEVIATION = 64
SEED = 0

Keys = npt.NDArray[np.uint64]
Order = npt.NDArray[np.int64]

# Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators": the mixing function of SplitMix64.
GOLDEN, FIRST_FACTOR, SECOND_FACTOR = (
    np.uint64(each) for each in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


def halving_orders(rows: Matrix) -> list[Order]:
    """Rows (N, D) → HALVINGS orders of them (N,), each as good as drawn at random."""
    keys = _counted(_content(np.asarray(rows, np.float64)))
    salts = np.arange(HALVINGS, dtype=np.uint64) * GOLDEN
    return [np.argsort(_mixed(keys + salt), kind="stable") for salt in salts]


def variances(whole: float, halves: float) -> tuple[float, float]:
    """Variance of a score and of its extrapolation, from first-order estimates of the whole set and of its halves.

    With L the variance of the score's linear part and Q that of its quadratic part, such an estimate holds L + 2Q of
    the whole set, because the images that give the weights are those that are weighted (a quadratic form of a mean
    shows it: |x̄|² has variance 2 tr S²/n², its first-order estimate is 4 tr S²/n²), and 2L + 8Q of a half. The score
    itself has L + Q, and the extrapolation through m random halvings L + Q + Q/m.
    """
    quadratic = float(np.clip((halves - 2 * whole) / 4, 0, whole / 2))
    return whole - quadratic, whole - quadratic * (1 - 1 / HALVINGS)


def _content(rows: npt.NDArray[np.float64]) -> Keys:
    """A number for each row (N,) that its values decide, to within a step."""
    directions = np.random.default_rng(SEED).standard_normal((rows.shape[1], PROJECTIONS))
    projected = rows @ directions
    spread = projected.std(axis=0)
    step = 2.0 ** np.round(np.log2(np.where(spread > 0, spread, 1.0))) / STEPS_A_DEVIATION
    keys = np.zeros(len(rows), np.uint64)
    for column in np.floor(projected / step).astype(np.int64).astype(np.uint64).T:
        keys = _mixed(keys + GOLDEN + column)
    return keys


def _counted(keys: Keys) -> Keys:
    """Equal keys become different ones, by how many of their kind stand before them."""
    order = np.argsort(keys, kind="stable")
    _, start, count = np.unique(keys[order], return_index=True, return_counts=True)
    place = np.empty(len(keys), np.uint64)
    place[order] = (np.arange(len(keys)) - np.repeat(start, count)).astype(np.uint64)
    return _mixed(keys + place * GOLDEN)


def _mixed(keys: Keys) -> Keys:
    keys = (keys ^ (keys >> np.uint64(30))) * FIRST_FACTOR
    keys = (keys ^ (keys >> np.uint64(27))) * SECOND_FACTOR
    mixed: Keys = keys ^ (keys >> np.uint64(31))
    return mixed
