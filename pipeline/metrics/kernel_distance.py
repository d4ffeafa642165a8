"""Kernel distance: the squared maximum mean discrepancy of two sets of features (KID), over every pair of images.

    MMD² = mean k(x, x') + mean k(y, y') - 2 mean k(x, y),  k(x, y) = (x·y / D + 1)³

In: two sets of features. Out: the unbiased estimate and its standard error. The estimate leaves out each image's pair
with itself, so it may fall below 0. Lower is better; sets of any size from one distribution give 0 on average.
Sources: Gretton et al. 2012 (MMD); as a GAN metric Bińkowski et al. 2018, arXiv 1801.01401. Other programs average
random subsets of 1,000 images and report the deviation between subsets. That is no standard error: subsets overlap and
are smaller than the set. Here all pairs are summed once, without random numbers.

The standard error follows from Hoeffding's decomposition of the kernel into effects of single images and of pairs.
Bounliphone et al. 2016 (arXiv 1511.04581) use the effects of single images for MMD. Only the effects of pairs remain if
both sets have the same distribution (Sutherland 2019, arXiv 1906.02104). Each variance is estimated without bias.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.metrics.features import Features, Matrix
from pipeline.metrics.metric import Metric, Need, RealFeatures, ScoreDefinition
from pipeline.metrics.score import Score
from pipeline.metrics.squared_distances import Vector, blocks

FEWEST_IMAGES = 4  # per set; the variance of pairs divides by N - 3
BLOCK_ROWS = 512  # a block of kernel values, 2 MiB, stays in the processor's cache
# The least variance, as a share of the pairs' variance. With it the mean standard error is right in simulations of
# equal sets.
FLOOR = 0.5
FLOAT64_PRODUCTS = 3e10  # up to so many multiplications, about a second, float64 is fast enough


@dataclass(frozen=True)
class KernelDistance:
    """A kernel distance and the standard error of drawing other images from the same two distributions."""

    value: float
    standard_error: float


@dataclass(frozen=True)
class _Centred:
    """One set of centred rows: x·y = scale² (centred x)·(centred y) + offset of x + offset of y + base."""

    rows: Matrix  # (N, D) float32 or float64: (features - centre) / scale
    offsets: Vector  # (N,) (features - centre)·centre


@dataclass(frozen=True)
class _Kernel:
    """The constants that turn products of centred rows into kernel values, less one constant common to all means."""

    width: int  # D
    squared_scale: float
    base: np.float64  # centre·centre; a Python float raises an error if its cube overflows

    def values(self, first: _Centred, second: _Centred, rows: slice, columns: slice) -> npt.NDArray[np.float64]:
        """Return kernel values (R, C) float64 of a block of pairs, less k at the centre, which costs digits."""
        products = first.rows[rows] @ second.rows[columns].T
        values = np.multiply(products, self.squared_scale / self.width, dtype=np.float64)
        values += ((first.offsets[rows] + self.base) / self.width + 1)[:, None]
        values += second.offsets[columns] / self.width
        values *= np.square(values)
        values -= (self.base / self.width + 1) ** 3
        return values


@dataclass(frozen=True)
class _Sums:
    """Sums over a table of kernel values. A set's table with itself is symmetric and has no diagonal."""

    rows: Vector  # (N,)
    columns: Vector  # (M,)
    squares: float


def kernel_distance(first: Matrix, second: Matrix) -> KernelDistance:
    """Return the distance of features (N, D) and (M, D), at least 4 rows each, in any order of sets and rows."""
    _expect_comparable(first, second)
    pairs = (len(first) + len(second)) ** 2 / 2
    dtype = np.float64 if pairs * first.shape[1] <= FLOAT64_PRODUCTS else np.float32
    x, y, kernel = _centre(first, second, np.dtype(dtype))
    xx, yy, xy = _sums_of_self(x, kernel), _sums_of_self(y, kernel), _sums_of_cross(x, y, kernel)
    n, m = len(first), len(second)
    within = xx.rows.sum() / (n * (n - 1)) + yy.rows.sum() / (m * (m - 1))
    value = float(within - 2 * xy.rows.sum() / (n * m))
    return KernelDistance(value, _variance(xx, yy, xy) ** 0.5)


def _expect_comparable(first: Matrix, second: Matrix) -> None:
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"found features of shapes {first.shape} and {second.shape}, expected (N, D) and (M, D)")
    if min(len(first), len(second)) < FEWEST_IMAGES:
        raise ValueError(f"found {len(first)} and {len(second)} images, expected at least {FEWEST_IMAGES} of each")


def _centre(first: Matrix, second: Matrix, dtype: np.dtype[np.floating]) -> tuple[_Centred, _Centred, _Kernel]:
    """Centre both sets at their common mean, so that products are small and float32 keeps the digits that matter.

    The kernel depends on the position of 0. The part that centring removes is kept in float64 and added to every
    product again.
    """
    total = first.sum(axis=0, dtype=np.float64) + second.sum(axis=0, dtype=np.float64)
    centre = total / (len(first) + len(second))
    spread = max(
        float(np.abs(bound - centre).max()) for rows in (first, second) for bound in (rows.min(0), rows.max(0))
    )
    scale = 2.0 ** np.ceil(np.log2(spread)) if spread > 0 else 1.0  # float32 cannot overflow; a power of 2 is exact
    x, y = (_centred_rows(rows, centre, scale, dtype) for rows in (first, second))
    return x, y, _Kernel(first.shape[1], scale**2, np.float64(centre @ centre))


def _centred_rows(features: Matrix, centre: Vector, scale: float, dtype: np.dtype[np.floating]) -> _Centred:
    rows, offsets = np.empty(features.shape, dtype), np.empty(len(features))
    for block in blocks(len(features), BLOCK_ROWS):
        centred = features[block].astype(np.float64) - centre
        rows[block], offsets[block] = centred / scale, centred @ centre
    return _Centred(rows, offsets)


def _sums_of_self(x: _Centred, kernel: _Kernel) -> _Sums:
    sums, squares = np.zeros(len(x.rows)), 0.0
    for rows, columns in itertools.combinations_with_replacement(blocks(len(x.rows), BLOCK_ROWS), 2):
        values = kernel.values(x, x, rows, columns)
        if rows == columns:
            np.fill_diagonal(values, 0)
        else:
            sums[columns] += values.sum(axis=0)
        sums[rows] += values.sum(axis=1)
        squares += (1 if rows == columns else 2) * float(np.vdot(values, values))
    return _Sums(sums, sums, squares)


def _sums_of_cross(x: _Centred, y: _Centred, kernel: _Kernel) -> _Sums:
    row_sums, column_sums, squares = np.zeros(len(x.rows)), np.zeros(len(y.rows)), 0.0
    for rows, columns in itertools.product(blocks(len(x.rows), BLOCK_ROWS), blocks(len(y.rows), BLOCK_ROWS)):
        values = kernel.values(x, y, rows, columns)
        row_sums[rows] += values.sum(axis=1)
        column_sums[columns] += values.sum(axis=0)
        squares += float(np.vdot(values, values))
    return _Sums(row_sums, column_sums, squares)


def _variance(xx: _Sums, yy: _Sums, xy: _Sums) -> float:
    """Return the variance of the estimate: of single images' effects, 4/n Var a + 4/m Var b, and of pairs' effects.

    Both are estimated without bias. Single images have no effect if both sets have the same distribution. Their
    estimate is then as often below 0 as above, and FLOOR keeps the sum of both away from 0.
    """
    n, m = len(xy.rows), len(xy.columns)
    pairs_xx, pairs_yy, pairs_xy = _pair_variance_of_self(xx), _pair_variance_of_self(yy), _pair_variance_of_cross(xy)
    single_x = np.var(xx.rows / (n - 2) - xy.rows / m, ddof=1) - pairs_xx / (n - 2) - pairs_xy / m
    single_y = np.var(yy.rows / (m - 2) - xy.columns / n, ddof=1) - pairs_yy / (m - 2) - pairs_xy / n
    pairs = 2 * pairs_xx / (n * (n - 1)) + 2 * pairs_yy / (m * (m - 1)) + 4 * pairs_xy / (n * m)
    return max(float(4 * single_x / n + 4 * single_y / m) + pairs, FLOOR * pairs)


def _pair_variance_of_self(sums: _Sums) -> float:
    """Return Var k(x, x') beyond the effects of x and x': squares after U-centring (Székely & Rizzo 2014)."""
    n, total = len(sums.rows), sums.rows.sum()
    squares = sums.squares - 2 * (sums.rows @ sums.rows) / (n - 2) + total**2 / ((n - 1) * (n - 2))
    return max(float(squares / (n * (n - 3))), 0.0)


def _pair_variance_of_cross(sums: _Sums) -> float:
    """Return Var k(x, y) beyond the effects of x and y: the residual of a two-way analysis of variance."""
    n, m, total = len(sums.rows), len(sums.columns), sums.rows.sum()
    squares = sums.squares - sums.rows @ sums.rows / m - sums.columns @ sums.columns / n + total**2 / (n * m)
    return max(float(squares / ((n - 1) * (m - 1))), 0.0)


def _compute(generated: Features, real: RealFeatures) -> dict[str, Score]:
    distance = kernel_distance(generated.features, real.test.features)
    return {"kid": Score(distance.value, distance.standard_error)}


METRIC = Metric(
    scores=(
        ScoreDefinition(
            "kid",
            "KID",
            "Squared maximum mean discrepancy of features under a cubic kernel, over all pairs, unbiased "
            "(Bińkowski et al. 2018).",
            "lower",
            fewest_images=FEWEST_IMAGES,
            has_error=True,
            scale="log",
        ),
    ),
    needs=(Need.FEATURES,),
    from_features=_compute,
)
