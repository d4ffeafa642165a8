"""Moments: mean and covariance of features, in float64, from all of them at once or batch by batch.

Covariances divide by N - 1, as TTUR and pytorch-fid do. Batches are merged as Chan, Golub & LeVeque 1983 merge two
sets. The scatter of both together is the sum of their scatters and of the outer product of one row: the difference of
their means, scaled by √(n·m/(n+m)). Only centred values are squared, so an offset costs no digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file
from scipy.linalg import blas

from pipeline.metrics.features import Matrix, expect_finite_rows
from pipeline.storage.atomic import atomic_file, umask_permissions

Array = npt.NDArray[np.float64]
BLOCK = 512  # rows merged at a time; any batches give the same blocks, and so the same bits
MIRRORED_ROWS = 64  # rows mirrored at a time, so that mirroring takes little memory


@dataclass(frozen=True)
class Moments:
    """A Gaussian that was fitted to features."""

    count: int
    mean: Array  # (D,)
    covariance: Array  # (D, D)


class RunningMoments:
    """Moments of features that come in batches; they take 2·D²·8 bytes and one block of rows."""

    def __init__(self, dimensions: int) -> None:
        self.mean: Array = np.zeros(dimensions)
        self._scatter: Array = np.zeros((dimensions, dimensions), order="F")  # lower triangle only
        self._merged = 0
        self._block: Array = np.empty((BLOCK + 1, dimensions))  # the last row is for the difference of means
        self._filled = 0  # rows of the block that hold features

    def __len__(self) -> int:
        return self._merged + self._filled

    def add(self, batch: Matrix) -> None:
        """Add the features of a batch (N, D)."""
        if batch.ndim != 2 or batch.shape[1] != self.mean.size:
            raise ValueError(f"found a batch of shape {batch.shape}, expected (N, {self.mean.size})")
        expect_finite_rows("features", batch)
        while len(batch):
            count = min(len(batch), BLOCK - self._filled)
            self._block[self._filled : self._filled + count] = batch[:count]
            self._filled += count
            batch = batch[count:]
            if self._filled == BLOCK:
                self._merge_block()

    def merge(self, other: RunningMoments) -> None:
        """Add the features that another `RunningMoments` has added."""
        self._merge_block()
        other._merge_block()
        self._scatter += other._scatter
        self._add_scatter(self._shift_mean(other._merged, other.mean)[np.newaxis])

    def moments(self) -> Moments:
        """Return the moments of the features added so far. Raise `ValueError` for fewer than 2 rows."""
        self._merge_block()
        if self._merged < 2:
            raise ValueError(f"found {self._merged} images, expected at least 2 to fit a covariance")
        covariance = np.array(self._scatter.T, order="C")  # upper triangle only
        for start in range(0, len(covariance), MIRRORED_ROWS):
            stop = min(start + MIRRORED_ROWS, len(covariance))
            corner = np.triu(covariance[start:stop, start:stop])
            covariance[start:stop, start:stop] = corner + np.triu(corner, 1).T
            covariance[stop:, start:stop] = covariance[start:stop, stop:].T
        covariance /= self._merged - 1
        return Moments(self._merged, self.mean.copy(), covariance)

    def save(self, path: Path) -> None:
        """Write everything that `load` needs to continue from here."""
        self._merge_block()
        values = {"count": np.array([self._merged]), "mean": self.mean, "scatter": self._scatter.T}
        with atomic_file(path) as temporary, umask_permissions(temporary):
            save_file(values, temporary)

    @classmethod
    def load(cls, path: Path) -> RunningMoments:
        """Return the running moments that `save` wrote."""
        stored = load_file(path)
        running = cls(stored["mean"].size)
        running._merged, running.mean = int(stored["count"][0]), stored["mean"]
        running._scatter[:] = stored["scatter"].T
        return running

    def _merge_block(self) -> None:
        if not self._filled:
            return
        rows = self._block[: self._filled + 1]
        mean = rows[:-1].mean(axis=0)
        rows[:-1] -= mean
        rows[-1] = self._shift_mean(self._filled, mean)
        self._add_scatter(rows)
        self._filled = 0

    def _shift_mean(self, count: int, mean: Array) -> Array:
        """Move the mean to that of both sets; return the row that both scatters lack."""
        both = max(self._merged + count, 1)
        difference = mean - self.mean
        row: Array = difference * np.sqrt(self._merged * count / both)
        self.mean = self.mean + difference * (count / both)
        self._merged += count
        return row

    def _add_scatter(self, rows: Array) -> None:
        self._scatter = blas.dsyrk(1.0, rows.T, 1.0, self._scatter, lower=1, overwrite_c=1)


def fit_moments(features: Matrix) -> Moments:
    """Return the moments of features (N, D), N at least 2."""
    if features.ndim != 2:
        raise ValueError(f"features: found shape {features.shape}, expected (N, values)")
    running = RunningMoments(features.shape[1])
    running.add(features)
    return running.moments()
