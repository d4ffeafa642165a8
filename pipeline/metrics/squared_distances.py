"""Squared distances: bounds on all of them from fast matrix products, exact values of the few that need them.

In: features (N, D), float32 or float64. Out: squared Euclidean distances. `exact` means one formula everywhere, the sum
of squared differences in float64. Equal distances are then equal numbers, and comparisons have one answer.

The usual |x|² + |y|² - 2 x·y is fast, but loses the digits of small distances between far-off points. Here all rows
are moved to a common centre first, and the product runs in float32. A bound on its rounding error (Higham 2002, section
3.1) limits the result on both sides; comparisons within these limits use the exact formula.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.metrics.features import Matrix

BLOCK_ROWS = 512
GATHERED_VALUES = 2**20  # exact differences computed at a time, 8 MiB

Vector = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


class TooLargeError(ValueError):
    """Features are so far apart that squares of their distances overflow float64."""


@dataclass(frozen=True)
class Distinct:
    """The different rows of a set: a collapsed generator's many equal images are one row."""

    rows: Matrix  # (U, D)
    counts: Indices  # (U,) how often each occurs
    first: Indices  # (U,) index in the set of the first copy
    inverse: Indices  # (N,) index in `rows` of each row of the set


def distinct_rows(features: Matrix) -> Distinct:
    """Return the different rows of features, in the order in which they occur."""
    numbers: dict[bytes, int] = {}
    digests = (hashlib.blake2b(row + 0.0, digest_size=16).digest() for row in features)  # -0.0 + 0.0 is 0.0
    inverse = np.array([numbers.setdefault(digest, len(numbers)) for digest in digests], np.int64)
    _, first, counts = np.unique(inverse, return_index=True, return_counts=True)
    rows = features if len(first) == len(features) else features[first]
    return Distinct(rows, counts.astype(np.int64), first.astype(np.int64), inverse)


@dataclass(frozen=True)
class Bounded:
    """Centred, scaled and rounded rows, with bounds on the errors of distances between them."""

    rows: Matrix  # (N, D) in the dtype of the products
    lowered: Matrix  # (N,) squared norms less their error, same dtype
    errors: Vector  # (N,) a computed d² is off by at most the sum of its two rows' errors

    def __getitem__(self, index: slice | Indices) -> Bounded:
        return Bounded(self.rows[index], self.lowered[index], self.errors[index])

    def lower_bounds(self, other: Bounded) -> Matrix:
        """Return lower bounds (N, M) of scaled squared distances; upper bounds add twice both rows' errors."""
        bounds: Matrix = self.rows @ other.rows.T
        bounds *= -2
        bounds += self.lowered[:, None]
        bounds += other.lowered
        return bounds


@dataclass(frozen=True)
class Frame:
    """A centre for rows, and the power of 2 that divides them so that float32 cannot overflow."""

    centre: Vector  # (D,)
    scale: float

    @classmethod
    def around(cls, *sets: Matrix) -> Frame:
        """Return the frame of all rows of some sets. Raise `TooLargeError` if squared distances may overflow."""
        with np.errstate(over="ignore", invalid="ignore"):
            total = np.sum([rows.sum(axis=0, dtype=np.float64) for rows in sets], axis=0)
            centre = total / sum(map(len, sets))
            extremes = np.array([bound - centre for rows in sets for bound in (rows.min(axis=0), rows.max(axis=0))])
            spread = float(np.abs(extremes).max())
            farthest = 4 * len(centre) * np.square(spread)  # no squared distance exceeds this: (2 · spread)² D times
        if not np.isfinite(farthest):
            raise TooLargeError(
                "the features' values are too large to compute with: squares of distances overflow float64; divide all "
                "features by one number"
            )
        return cls(centre, 2.0 ** np.ceil(np.log2(spread)) if spread > 0 else 1.0)

    def bounded(self, features: Matrix, dtype: type[np.floating]) -> Bounded:
        """Return features centred and scaled, with error bounds for products in `dtype`."""
        rows, squares = np.empty(features.shape, dtype), np.empty(len(features))
        for block in blocks(len(features)):
            rows[block] = (features[block].astype(np.float64) - self.centre) / self.scale
            rounded = rows[block].astype(np.float64)
            squares[block] = np.einsum("ij,ij->i", rounded, rounded)
        limits, width = np.finfo(dtype), features.shape[1]
        # A product of D terms errs by D·eps/2 of |x||y| ≤ (|x|² + |y|²) / 2; rounding rows, norms and sums adds less
        # than 8 eps. Twice that also covers the exact formula's own rounding. `tiny` covers underflow.
        errors = squares * (float(limits.eps) * (width + 16)) + float(limits.tiny) * width
        return Bounded(rows, (squares - errors).astype(dtype), errors)


def exact_squared_distances(x: Matrix, y: Matrix, rows: Indices, columns: Indices) -> Vector:
    """Return |x[row] - y[column]|² in float64 for each pair of a row and a column; symmetric to the last bit."""
    distances = np.empty(len(rows))
    for pairs in blocks(len(rows), max(1, GATHERED_VALUES // x.shape[1])):
        differences = np.subtract(x[rows[pairs]], y[columns[pairs]], dtype=np.float64)
        np.square(differences, out=differences)
        distances[pairs] = differences.sum(axis=1)
    return distances


def blocks(count: int, size: int = BLOCK_ROWS) -> Iterator[slice]:
    """Return the slices that cut `count` rows into blocks."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
