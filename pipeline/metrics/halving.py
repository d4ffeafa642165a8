"""Halving: random halves of a set of images, for scores that are extrapolated to infinitely many images.

In: rows of features or probabilities (N, D). Out: orders of the rows, to be cut in two. A row's position comes from a
hash of eight coarse random projections of its values. The halves therefore do not depend on image order, batch size or
device, except for about one row in a thousand near the edge of a step. Copies of one image are numbered, and the number
goes into the hash: copies are spread over both halves as independent images would be.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.metrics.features import Matrix

# Number of random halvings to average. With one, the halving adds as much noise as sampling does if both sets have the
# same distribution.
HALVINGS = 4
PROJECTIONS = 8
STEPS_PER_DEVIATION = 64  # steps to which projections are rounded, per standard deviation
SEED = 0

Keys = npt.NDArray[np.uint64]
Order = npt.NDArray[np.int64]

# Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators": the mixing function of SplitMix64.
GOLDEN, FIRST_FACTOR, SECOND_FACTOR = (
    np.uint64(constant) for constant in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


def halving_orders(rows: Matrix) -> list[Order]:
    """Return HALVINGS orders (N,) of rows (N, D), each as good as random."""
    keys = _number_copies(_content_keys(np.asarray(rows, np.float64)))
    salts = np.arange(HALVINGS, dtype=np.uint64) * GOLDEN
    return [np.argsort(_mix(keys + salt), kind="stable") for salt in salts]


def variances(full_set: float, halves: float) -> tuple[float, float]:
    """Return the variances of a score and of its extrapolation, from first-order estimates of full set and halves.

    Let L be the variance of the score's linear part and Q that of its quadratic part. The estimate of the full set is
    L + 2Q, because the images that give the weights are the ones that are weighted. A quadratic form of a mean shows
    it: |x̄|² has variance 2 tr S²/n², and its first-order estimate is 4 tr S²/n². The estimate of a half is 2L + 8Q.
    The score itself has L + Q, and the extrapolation through m random halvings L + Q + Q/m.
    """
    quadratic = float(np.clip((halves - 2 * full_set) / 4, 0, full_set / 2))
    return full_set - quadratic, full_set - quadratic * (1 - 1 / HALVINGS)


def _content_keys(rows: npt.NDArray[np.float64]) -> Keys:
    """Return one key per row (N,), equal for rows with projections that agree to within a step."""
    directions = np.random.default_rng(SEED).standard_normal((rows.shape[1], PROJECTIONS))
    projected = rows @ directions
    spread = projected.std(axis=0)
    step = 2.0 ** np.round(np.log2(np.where(spread > 0, spread, 1.0))) / STEPS_PER_DEVIATION
    keys = np.zeros(len(rows), np.uint64)
    for column in np.floor(projected / step).astype(np.int64).astype(np.uint64).T:
        keys = _mix(keys + GOLDEN + column)
    return keys


def _number_copies(keys: Keys) -> Keys:
    """Make equal keys different, by the number of equal keys before them."""
    order = np.argsort(keys, kind="stable")
    _, start, count = np.unique(keys[order], return_index=True, return_counts=True)
    copy_number = np.empty(len(keys), np.uint64)
    copy_number[order] = (np.arange(len(keys)) - np.repeat(start, count)).astype(np.uint64)
    return _mix(keys + copy_number * GOLDEN)


def _mix(keys: Keys) -> Keys:
    """Return the keys after the mixing function of SplitMix64."""
    keys = (keys ^ (keys >> np.uint64(30))) * FIRST_FACTOR
    keys = (keys ^ (keys >> np.uint64(27))) * SECOND_FACTOR
    mixed: Keys = keys ^ (keys >> np.uint64(31))
    return mixed
