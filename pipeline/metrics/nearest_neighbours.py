"""Nearest neighbours: distances of k-th neighbours, nearest reference rows, and rows inside balls around rows.

In: features (N, D), float32 or float64. Out: Euclidean distances in float64, indices, counts. Each block of distances
is used once and dropped, so memory grows with N and not with N². For a set with itself only half of them are computed.
Results equal those of exact float64 distances (`squared_distances.py`) for any size of blocks and any order of rows.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.metrics.features import Matrix
from pipeline.metrics.squared_distances import (
    Bounded,
    Distinct,
    Frame,
    Indices,
    Vector,
    blocks,
    distinct_rows,
    exact_squared_distances,
)

SPARE_CANDIDATES = 8  # candidates beyond the k nearest, so that float32 seldom leaves the k-th in doubt
UNSURE_SHARE = 1 / 64  # of a block's pairs; above it, float64 products decide faster than the exact formula
PRECISIONS = (np.float32, np.float64)

Mask = npt.NDArray[np.bool_]


def neighbour_radii(features: Matrix, k: int, chosen: Indices | None = None) -> Vector:
    """Return (N,) the distance from each row of (N, D) to its k-th nearest other row; 0 if k other rows equal it.

    `chosen` selects rows by index; None: all. Raises ValueError unless 1 ≤ k < N.
    """
    return np.sqrt(squared_neighbour_radii(features, k, chosen))


def squared_neighbour_radii(features: Matrix, k: int, chosen: Indices | None = None) -> Vector:
    """Return the squares of `neighbour_radii`, which compare with exact squared distances without rounding."""
    if not 1 <= k < len(features):
        raise ValueError(
            f"found {len(features)} images for {k} nearest neighbours, expected k ≥ 1 and more images than k"
        )
    distinct = distinct_rows(features)
    ranks = k + 1 - distinct.counts  # the other copies of a row are its nearest neighbours, at distance 0
    originals = distinct.inverse if chosen is None else distinct.inverse[chosen]
    radii = np.zeros(len(distinct.rows))
    pending = np.unique(originals[ranks[originals] > 0])
    frame = Frame.around(distinct.rows)
    for dtype in PRECISIONS:
        if len(pending):
            nearest = _nearest_others(frame.bounded(distinct.rows, dtype), pending, k + SPARE_CANDIDATES)
            squared, certain = _kth_squared(distinct, pending, nearest, ranks[pending])
            radii[pending[certain]], pending = squared[certain], pending[~certain]
    for row in pending:
        others = np.delete(np.arange(len(radii)), row)
        squares = exact_squared_distances(distinct.rows, distinct.rows, np.full(len(others), row), others)
        radii[row] = _weighted_kth(squares[None], distinct.counts[others][None], ranks[row : row + 1])[0]
    return radii[originals]


def nearest_rows(queries: Matrix, references: Matrix) -> tuple[Indices, Vector]:
    """Return (M,) index and (M,) distance of the reference (N, D) nearest to each query (M, D); of equals the first."""
    _expect_same_width(queries, references)
    query_rows, reference_rows = distinct_rows(queries), distinct_rows(references)
    indices, squares = np.zeros(len(query_rows.rows), np.int64), np.zeros(len(query_rows.rows))
    pending = np.arange(len(query_rows.rows))
    frame = Frame.around(query_rows.rows, reference_rows.rows)
    for dtype in PRECISIONS:
        if len(pending):
            bounded = frame.bounded(query_rows.rows[pending], dtype)
            nearest = _nearest_references(bounded, frame.bounded(reference_rows.rows, dtype), 1 + SPARE_CANDIDATES)
            first, distances, certain = _first_nearest(query_rows.rows[pending], reference_rows, nearest)
            indices[pending[certain]], squares[pending[certain]] = first[certain], distances[certain]
            pending = pending[~certain]
    for row in pending:
        every = np.arange(len(reference_rows.rows))
        distances = exact_squared_distances(query_rows.rows, reference_rows.rows, np.full(len(every), row), every)
        indices[row], squares[row] = reference_rows.first[distances.argmin()], distances.min()
    return indices[query_rows.inverse], np.sqrt(squares)[query_rows.inverse]


@dataclass(frozen=True)
class Balls:
    """Counts of rows inside balls. A row is inside if it is closer to the centre than the radius, d < r."""

    first_around_second: Indices  # (M,) number of balls of the first set that hold each row of the second
    first_filled: Mask  # (N,) True for a ball of the first set that holds a row of the second
    first_held: Mask  # (N,) True for a row of the first set inside a ball of the second


def count_balls(first: Matrix, second: Matrix, first_squared_radii: Vector, second_squared_radii: Vector) -> Balls:
    """Count rows inside balls, for rows (N, D) and (M, D) with squared radii, in one pass over all pairs."""
    _expect_same_width(first, second)
    x, y = distinct_rows(first), distinct_rows(second)
    pairs = _Pairs(x.rows, y.rows, Frame.around(x.rows, y.rows))
    radii_x, radii_y = first_squared_radii[x.first], second_squared_radii[y.first]
    around, filled, held = np.zeros(len(y.rows)), np.zeros(len(x.rows), bool), np.zeros(len(x.rows), bool)
    bounded_x, bounded_y = (pairs.frame.bounded(rows, np.float32) for rows in (x.rows, y.rows))
    for rows, columns in itertools.product(blocks(len(x.rows)), blocks(len(y.rows))):
        block = _Block(pairs, rows, columns, bounded_x[rows], bounded_y[columns])
        lower = block.x.lower_bounds(block.y)
        row, column = block.closer_than(radii_x[rows, None], lower)
        around[columns] += np.bincount(column, x.counts[rows][row], minlength=lower.shape[1])
        filled[rows.start + row] = True
        row, _ = block.closer_than(radii_y[None, columns], lower, ~held[rows, None])
        held[rows.start + row] = True
    return Balls(around.astype(np.int64)[y.inverse], filled[x.inverse], held[x.inverse])


@dataclass(frozen=True)
class _Pairs:
    first: Matrix
    second: Matrix
    frame: Frame


@dataclass(frozen=True)
class _Block:
    """A block of pairs of rows of two sets."""

    pairs: _Pairs
    rows: slice
    columns: slice
    x: Bounded
    y: Bounded

    def closer_than(self, squared: Vector, lower: Matrix, candidates: Mask | None = None) -> tuple[Indices, Indices]:
        """Return row and column of the pairs, among candidates, with exact squared distances below `squared`."""
        limits = squared / self.pairs.frame.scale**2
        possible = lower < np.nextafter(limits.astype(lower.dtype), np.inf, dtype=lower.dtype)
        row, column = _positions(possible if candidates is None else possible & candidates)
        limits = np.broadcast_to(limits, lower.shape)[row, column]
        sure = _upper(lower[row, column], self.x, self.y, row, column) < limits
        unsure = np.flatnonzero(~sure)
        if len(unsure) > UNSURE_SHARE * lower.size:
            unsure = self._sharpen(row, column, limits, sure, unsure)
        indices = self.rows.start + row[unsure], self.columns.start + column[unsure]
        exact = exact_squared_distances(self.pairs.first, self.pairs.second, *indices)
        sure[unsure] = exact < np.broadcast_to(squared, lower.shape)[row[unsure], column[unsure]]
        return row[sure], column[sure]

    def _sharpen(self, row: Indices, column: Indices, limits: Vector, sure: Mask, unsure: Indices) -> Indices:
        """Decide unsure pairs by float64 products: write to `sure`, and return the pairs that are still unsure."""
        x = self.pairs.frame.bounded(self.pairs.first[self.rows], np.float64)
        y = self.pairs.frame.bounded(self.pairs.second[self.columns], np.float64)
        r, c = row[unsure], column[unsure]
        lower = x.lower_bounds(y)[r, c]
        sure[unsure] = _upper(lower, x, y, r, c) < limits[unsure]
        still_unsure: Indices = unsure[~sure[unsure] & (lower < limits[unsure])]
        return still_unsure


class _Nearest:
    """The columns with the smallest lower bounds offered so far, for each row."""

    def __init__(self, x: Bounded, y: Bounded, count: int) -> None:
        self.x, self.y = x, y
        self.bounds = np.full((len(x.rows), count), np.inf, x.rows.dtype)
        self.columns = np.zeros((len(x.rows), count), np.int64)

    def offer(self, rows: slice, columns: slice, lower: Matrix) -> None:
        """Take in a block of lower bounds (R, C)."""
        worst = self.bounds[rows].max(axis=1)
        if np.isinf(worst).any():
            every = np.broadcast_to(np.arange(columns.start, columns.stop), lower.shape)
            self._merge(np.arange(rows.start, rows.stop), lower, every)
            return
        row, column = _positions(lower < worst[:, None])
        if not len(row):
            return
        changed, start, count = np.unique(row, return_index=True, return_counts=True)
        cell = np.repeat(np.arange(len(changed)), count), np.arange(len(row)) - np.repeat(start, count)
        bounds = np.full((len(changed), count.max()), np.inf, lower.dtype)
        indices = np.zeros(bounds.shape, np.int64)
        bounds[cell], indices[cell] = lower[row, column], columns.start + column
        self._merge(rows.start + changed, bounds, indices)

    def _merge(self, rows: Indices, bounds: Matrix, columns: Indices) -> None:
        bounds = np.concatenate([self.bounds[rows], bounds], axis=1)
        columns = np.concatenate([self.columns[rows], columns], axis=1)
        best = np.argpartition(bounds, self.bounds.shape[1] - 1, axis=1)[:, : self.bounds.shape[1]]
        self.bounds[rows] = np.take_along_axis(bounds, best, axis=1)
        self.columns[rows] = np.take_along_axis(columns, best, axis=1)

    def uppers(self) -> Vector:
        """Return upper bounds (N, count) of the scaled squared distances to the columns."""
        row = np.arange(len(self.bounds))[:, None]
        return _upper(self.bounds, self.x, self.y, row, self.columns)


def _upper(lower: Matrix, queries: Bounded, references: Bounded, row: Indices, column: Indices) -> Vector:
    upper: Vector = lower + 2 * (queries.errors[row] + references.errors[column])
    return upper


def _nearest_others(x: Bounded, chosen: Indices, count: int) -> _Nearest:
    """Return the nearest other rows of the chosen rows. If all are chosen, each block serves its columns too."""
    if len(chosen) < len(x.rows):
        return _nearest_references(x[chosen], x, count, chosen)
    nearest = _Nearest(x, x, count)
    for rows, columns in itertools.combinations_with_replacement(blocks(len(x.rows)), 2):
        lower = x[rows].lower_bounds(x[columns])
        if rows == columns:
            np.fill_diagonal(lower, np.inf)
        else:
            nearest.offer(columns, rows, lower.T)
        nearest.offer(rows, columns, lower)
    return nearest


def _nearest_references(x: Bounded, y: Bounded, count: int, itself: Indices | None = None) -> _Nearest:
    """Return the nearest rows of y for each row of x, without row `itself` of y, which is the same row."""
    nearest = _Nearest(x, y, count)
    for rows, columns in itertools.product(blocks(len(x.rows)), blocks(len(y.rows))):
        lower = x[rows].lower_bounds(y[columns])
        if itself is not None:
            column = itself[rows] - columns.start
            here = np.flatnonzero((column >= 0) & (column < lower.shape[1]))
            lower[here, column[here]] = np.inf
        nearest.offer(rows, columns, lower)
    return nearest


def _kth_squared(distinct: Distinct, rows: Indices, nearest: _Nearest, ranks: Indices) -> tuple[Vector, Mask]:
    """Return each row's exact squared distance to the neighbour of a rank, and whether no other one can be it."""
    offered = np.isfinite(nearest.bounds)
    weights = np.where(offered, distinct.counts[nearest.columns], 0)
    lower, upper = nearest.bounds.astype(np.float64), nearest.uppers()
    least, most = (_weighted_kth(bound, weights, ranks)[:, None] for bound in (lower, upper))
    squares = np.where(
        upper < least, -np.inf, np.inf
    )  # surely nearer than the neighbour of that rank, or surely farther
    row, column = np.nonzero((upper >= least) & (lower <= most) & offered)
    others = nearest.columns[row, column]
    squares[row, column] = exact_squared_distances(distinct.rows, distinct.rows, rows[row], others)
    return _weighted_kth(squares, weights, ranks), most[:, 0] < nearest.bounds.max(axis=1)


def _weighted_kth(values: Vector, weights: Indices, ranks: Indices) -> Vector:
    """Return (R,) the value of a rank in each row of values (R, K), each counted as often as its weight."""
    order = np.argsort(values, axis=1)
    reached = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1) >= ranks[:, None]
    column = np.take_along_axis(order, reached.argmax(axis=1)[:, None], axis=1)
    return np.take_along_axis(values, column, axis=1)[:, 0]


def _first_nearest(queries: Matrix, references: Distinct, nearest: _Nearest) -> tuple[Indices, Vector, Mask]:
    """Return each query's first exactly nearest reference, the squared distance, and whether both are certain."""
    most = nearest.uppers().min(axis=1)
    squares = np.full(nearest.bounds.shape, np.inf)
    row, column = np.nonzero(nearest.bounds <= most[:, None])
    squares[row, column] = exact_squared_distances(queries, references.rows, row, nearest.columns[row, column])
    least = squares.min(axis=1)
    first = np.where(squares == least[:, None], references.first[nearest.columns], np.iinfo(np.int64).max)
    return first.min(axis=1), least, most < nearest.bounds.max(axis=1)


def _positions(mask: Mask) -> tuple[Indices, Indices]:
    """Return row and column of the true entries, row by row. A search in memory order is several times faster."""
    if mask.flags.c_contiguous:
        row, column = np.divmod(np.flatnonzero(mask), mask.shape[1])
        return row, column
    column, row = np.divmod(np.flatnonzero(mask.T), mask.shape[0])
    order = np.argsort(row, kind="stable")
    return row[order], column[order]


def _expect_same_width(first: Matrix, second: Matrix) -> None:
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"found features of shapes {first.shape} and {second.shape}, expected (N, D) and (M, D)")
