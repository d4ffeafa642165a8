"""Nearest neighbours: how far a row's k-th neighbour is, which reference row is nearest, and who lies in whose ball.

In: features (N, D), float32 or float64. Out: Euclidean distances in float64, indices, counts. Blocks of distances are
looked at once and forgotten, so memory grows with N and not with N²; of a set with itself only half are computed.
Results are those of exact float64 distances (`squared_distances.py`), whatever the size of blocks or the order of rows.
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

SPARE_CANDIDATES = 8  # kept beyond the k nearest, so that float32 seldom leaves the k-th in doubt
UNSURE_SHARE = 1 / 64  # of a block's pairs; above, float64 products decide most of them sooner than the exact formula
PRECISIONS = (np.float32, np.float64)

Mask = npt.NDArray[np.bool_]


def neighbour_radii(features: Matrix, k: int, of: Indices | None = None) -> Vector:
    """Features (N, D) → (N,) the distance from each row to its k-th nearest other row; 0 where k others equal it.

    `of` are indices of the rows whose radius is wanted, if not all. Raises ValueError unless 1 ≤ k < N.
    """
    return np.sqrt(squared_neighbour_radii(features, k, of))


def squared_neighbour_radii(features: Matrix, k: int, of: Indices | None = None) -> Vector:
    """The squares of `neighbour_radii`, which compare with exact squared distances without rounding."""
    if not 1 <= k < len(features):
        raise ValueError(
            f"found {len(features)} images for {k} nearest neighbours, expected k ≥ 1 and more images than k"
        )
    distinct = distinct_rows(features)
    wanted = k + 1 - distinct.counts  # the other copies of a row are its nearest neighbours, at distance 0
    chosen = distinct.inverse if of is None else distinct.inverse[of]
    radii = np.zeros(len(distinct.rows))
    pending = np.unique(chosen[wanted[chosen] > 0])
    frame = Frame.around(distinct.rows)
    for dtype in PRECISIONS:
        if len(pending):
            nearest = _nearest_others(frame.bounded(distinct.rows, dtype), pending, k + SPARE_CANDIDATES)
            squared, certain = _kth_squared(distinct, pending, nearest, wanted[pending])
            radii[pending[certain]], pending = squared[certain], pending[~certain]
    for row in pending:
        every = np.delete(np.arange(len(radii)), row)
        squares = exact_squared_distances(distinct.rows, distinct.rows, np.full(len(every), row), every)
        radii[row] = _weighted_kth(squares[None], distinct.counts[every][None], wanted[row : row + 1])[0]
    return radii[chosen]


def nearest_rows(queries: Matrix, references: Matrix) -> tuple[Indices, Vector]:
    """Queries (M, D), references (N, D) → (M,) index of the nearest reference, of equals the first; (M,) distance."""
    _expect_same_width(queries, references)
    asked, known = distinct_rows(queries), distinct_rows(references)
    indices, squares = np.zeros(len(asked.rows), np.int64), np.zeros(len(asked.rows))
    pending = np.arange(len(asked.rows))
    frame = Frame.around(asked.rows, known.rows)
    for dtype in PRECISIONS:
        if len(pending):
            bounded = frame.bounded(asked.rows[pending], dtype)
            nearest = _nearest_references(bounded, frame.bounded(known.rows, dtype), 1 + SPARE_CANDIDATES)
            found, distances, certain = _first_nearest(asked.rows[pending], known, nearest)
            indices[pending[certain]], squares[pending[certain]] = found[certain], distances[certain]
            pending = pending[~certain]
    for row in pending:
        every = np.arange(len(known.rows))
        distances = exact_squared_distances(asked.rows, known.rows, np.full(len(every), row), every)
        indices[row], squares[row] = known.first[distances.argmin()], distances.min()
    return indices[asked.inverse], np.sqrt(squares)[asked.inverse]


@dataclass(frozen=True)
class Balls:
    """Who lies in whose ball: a ball reaches from its centre to short of its radius, d < r."""

    first_around_second: Indices  # (M,) how many balls of the first set hold each row of the second
    first_filled: Mask  # (N,) whether each ball of the first set holds a row of the second
    first_held: Mask  # (N,) whether each row of the first set lies in a ball of the second


def count_balls(first: Matrix, second: Matrix, first_squared_radii: Vector, second_squared_radii: Vector) -> Balls:
    """Rows (N, D) and (M, D) with the squared radii of their balls → who lies in whose, in one pass over all pairs."""
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
    """A block of pairs of two sets."""

    pairs: _Pairs
    rows: slice
    columns: slice
    x: Bounded
    y: Bounded

    def closer_than(self, squared: Vector, lower: Matrix, asked: Mask | None = None) -> tuple[Indices, Indices]:
        """Row and column of the block's pairs, of those asked for, whose exact squared distance is below `squared`."""
        limits = squared / self.pairs.frame.scale**2
        possible = lower < np.nextafter(limits.astype(lower.dtype), np.inf, dtype=lower.dtype)
        row, column = _positions(possible if asked is None else possible & asked)
        limits = np.broadcast_to(limits, lower.shape)[row, column]
        sure = _upper(lower[row, column], self.x, self.y, row, column) < limits
        unsure = np.flatnonzero(~sure)
        if len(unsure) > UNSURE_SHARE * lower.size:
            unsure = self._sharpen(row, column, limits, sure, unsure)
        places = self.rows.start + row[unsure], self.columns.start + column[unsure]
        exact = exact_squared_distances(self.pairs.first, self.pairs.second, *places)
        sure[unsure] = exact < np.broadcast_to(squared, lower.shape)[row[unsure], column[unsure]]
        return row[sure], column[sure]

    def _sharpen(self, row: Indices, column: Indices, limits: Vector, sure: Mask, unsure: Indices) -> Indices:
        """Decide in float64 products what float32 left open; sets `sure`, and gives what even they leave open."""
        x = self.pairs.frame.bounded(self.pairs.first[self.rows], np.float64)
        y = self.pairs.frame.bounded(self.pairs.second[self.columns], np.float64)
        r, c = row[unsure], column[unsure]
        lower = x.lower_bounds(y)[r, c]
        sure[unsure] = _upper(lower, x, y, r, c) < limits[unsure]
        open_still: Indices = unsure[~sure[unsure] & (lower < limits[unsure])]
        return open_still


class _Nearest:
    """For each row the columns of the smallest lower bounds offered so far."""

    def __init__(self, x: Bounded, y: Bounded, kept: int) -> None:
        self.x, self.y = x, y
        self.bounds = np.full((len(x.rows), kept), np.inf, x.rows.dtype)
        self.columns = np.zeros((len(x.rows), kept), np.int64)

    def offer(self, rows: slice, columns: slice, lower: Matrix) -> None:
        """A block of lower bounds (R, C)."""
        worst = self.bounds[rows].max(axis=1)
        if np.isinf(worst).any():
            every = np.broadcast_to(np.arange(columns.start, columns.stop), lower.shape)
            self._merge(np.arange(rows.start, rows.stop), lower, every)
            return
        row, column = _positions(lower < worst[:, None])
        if not len(row):
            return
        changed, start, count = np.unique(row, return_index=True, return_counts=True)
        place = np.repeat(np.arange(len(changed)), count), np.arange(len(row)) - np.repeat(start, count)
        bounds = np.full((len(changed), count.max()), np.inf, lower.dtype)
        indices = np.zeros(bounds.shape, np.int64)
        bounds[place], indices[place] = lower[row, column], columns.start + column
        self._merge(rows.start + changed, bounds, indices)

    def _merge(self, rows: Indices, bounds: Matrix, columns: Indices) -> None:
        bounds = np.concatenate([self.bounds[rows], bounds], axis=1)
        columns = np.concatenate([self.columns[rows], columns], axis=1)
        best = np.argpartition(bounds, self.bounds.shape[1] - 1, axis=1)[:, : self.bounds.shape[1]]
        self.bounds[rows] = np.take_along_axis(bounds, best, axis=1)
        self.columns[rows] = np.take_along_axis(columns, best, axis=1)

    def uppers(self) -> Vector:
        """(N, kept) no scaled squared distance to a kept column is above these."""
        row = np.arange(len(self.bounds))[:, None]
        return _upper(self.bounds, self.x, self.y, row, self.columns)


def _upper(lower: Matrix, x: Bounded, y: Bounded, row: Indices, column: Indices) -> Vector:
    upper: Vector = lower + 2 * (x.errors[row] + y.errors[column])
    return upper


def _nearest_others(x: Bounded, chosen: Indices, kept: int) -> _Nearest:
    """The nearest other rows of the chosen rows; where all are chosen, a block also serves the rows of its columns."""
    if len(chosen) < len(x.rows):
        return _nearest_references(x[chosen], x, kept, chosen)
    nearest = _Nearest(x, x, kept)
    for rows, columns in itertools.combinations_with_replacement(blocks(len(x.rows)), 2):
        lower = x[rows].lower_bounds(x[columns])
        if rows == columns:
            np.fill_diagonal(lower, np.inf)
        else:
            nearest.offer(columns, rows, lower.T)
        nearest.offer(rows, columns, lower)
    return nearest


def _nearest_references(x: Bounded, y: Bounded, kept: int, itself: Indices | None = None) -> _Nearest:
    """The nearest rows of y for each row of x; `itself` is the row of y that a row of x is, and is left out."""
    nearest = _Nearest(x, y, kept)
    for rows, columns in itertools.product(blocks(len(x.rows)), blocks(len(y.rows))):
        lower = x[rows].lower_bounds(y[columns])
        if itself is not None:
            own = itself[rows] - columns.start
            here = np.flatnonzero((own >= 0) & (own < lower.shape[1]))
            lower[here, own[here]] = np.inf
        nearest.offer(rows, columns, lower)
    return nearest


def _kth_squared(distinct: Distinct, rows: Indices, nearest: _Nearest, wanted: Indices) -> tuple[Vector, Mask]:
    """The exact squared distance to the wanted-th neighbour of each row, and whether no column left out can be it."""
    offered = np.isfinite(nearest.bounds)
    weights = np.where(offered, distinct.counts[nearest.columns], 0)
    lower, upper = nearest.bounds.astype(np.float64), nearest.uppers()
    least, most = (_weighted_kth(bound, weights, wanted)[:, None] for bound in (lower, upper))
    squares = np.where(upper < least, -np.inf, np.inf)  # nearer than the one sought for sure, or farther
    row, place = np.nonzero((upper >= least) & (lower <= most) & offered)
    squares[row, place] = exact_squared_distances(distinct.rows, distinct.rows, rows[row], nearest.columns[row, place])
    return _weighted_kth(squares, weights, wanted), most[:, 0] < nearest.bounds.max(axis=1)


def _weighted_kth(values: Vector, weights: Indices, wanted: Indices) -> Vector:
    """(R, K) values, each counted as often as its weight → (R,) the wanted-th smallest of each row."""
    order = np.argsort(values, axis=1)
    reached = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1) >= wanted[:, None]
    place = np.take_along_axis(order, reached.argmax(axis=1)[:, None], axis=1)
    return np.take_along_axis(values, place, axis=1)[:, 0]


def _first_nearest(queries: Matrix, known: Distinct, nearest: _Nearest) -> tuple[Indices, Vector, Mask]:
    """The first of the exactly nearest references of each query, the squared distance, and whether that is certain."""
    most = nearest.uppers().min(axis=1)
    squares = np.full(nearest.bounds.shape, np.inf)
    row, place = np.nonzero(nearest.bounds <= most[:, None])
    squares[row, place] = exact_squared_distances(queries, known.rows, row, nearest.columns[row, place])
    least = squares.min(axis=1)
    first = np.where(squares == least[:, None], known.first[nearest.columns], np.iinfo(np.int64).max)
    return first.min(axis=1), least, most < nearest.bounds.max(axis=1)


def _positions(mask: Mask) -> tuple[Indices, Indices]:
    """Row and column of what is true, row by row; a flat search in the order of memory is several times faster."""
    if mask.flags.c_contiguous:
        row, column = np.divmod(np.flatnonzero(mask), mask.shape[1])
        return row, column
    column, row = np.divmod(np.flatnonzero(mask.T), mask.shape[0])
    order = np.argsort(row, kind="stable")
    return row[order], column[order]


def _expect_same_width(first: Matrix, second: Matrix) -> None:
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"found features of shapes {first.shape} and {second.shape}, expected (N, D) and (M, D)")
