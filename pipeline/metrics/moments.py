"""Moments: mean and covariance of features, in float64, from all of them at once or batch by batch.

Covariances divide by N - 1, as TTUR and pytorch-fid do. Batches are merged as Chan, Golub & LeVeque 1983 merge two
sets: the scatter of both together is the sum of their scatters and of one row, the difference of their means scaled by
√(n·m/(n+m)). Nothing uncentred is ever squared, so an offset costs no digits.
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
BLOCK = 512  # rows are merged in blocks of so many, whatever batches they come in: the result is the same to the bit
MIRRORED_ROWS = 64  # at a time, so that mirroring takes no memory to speak of


@dataclass(frozen=True)
class Moments:
    """A Gaussian fitted to features."""

    count: int
    mean: Array  # (D,)
    covariance: Array  # (D, D)


class RunningMoments:
    """Moments of features that come in batches, in 2·D²·8 bytes and one block of rows."""

    def __init__(self, dimensions: int) -> None:
        self.mean: Array = np.zeros(dimensions)
        self._scatter: Array = np.zeros((dimensions, dimensions), order="F")  # its lower triangle
        self._merged = 0
        self._block: Array = np.empty((BLOCK + 1, dimensions))  # the last row is for the difference of means
        self._waiting = 0  # rows of the block that are filled

    def __len__(self) -> int:
        return self._merged + self._waiting

    def add(self, batch: Matrix) -> None:
        """Take a batch (N, D) in."""
        if batch.ndim != 2 or batch.shape[1] != self.mean.size:
            raise ValueError(f"found a batch of shape {batch.shape}, expected (N, {self.mean.size})")
        expect_finite_rows("features", batch)
        while len(batch):
            taken = min(len(batch), BLOCK - self._waiting)
            self._block[self._waiting : self._waiting + taken] = batch[:taken]
            self._waiting += taken
            batch = batch[taken:]
            if self._waiting == BLOCK:
                self._merge_block()

    def merge(self, other: RunningMoments) -> None:
        """Take in what another one has seen."""
        self._merge_block()
        other._merge_block()
        self._scatter += other._scatter
        self._add_scatter(self._shift_mean(other._merged, other.mean)[np.newaxis])

    def moments(self) -> Moments:
        """What was seen so far, at least 2 rows."""
        self._merge_block()
        if self._merged < 2:
            raise ValueError(f"found {self._merged} images, expected at least 2 to fit a covariance")
        covariance = np.array(self._scatter.T, order="C")  # its upper triangle
        for start in range(0, len(covariance), MIRRORED_ROWS):
            stop = min(start + MIRRORED_ROWS, len(covariance))
            corner = np.triu(covariance[start:stop, start:stop])
            covariance[start:stop, start:stop] = corner + np.triu(corner, 1).T
            covariance[stop:, start:stop] = covariance[start:stop, stop:].T
        covariance /= self._merged - 1
        return Moments(self._merged, self.mean.copy(), covariance)

    def save(self, path: Path) -> None:
        """Write everything that `load` needs to go on from here."""
        self._merge_block()
        values = {"count": np.array([self._merged]), "mean": self.mean, "scatter": self._scatter.T}
        with atomic_file(path) as temporary, umask_permissions(temporary):
            save_file(values, temporary)

    @classmethod
    def load(cls, path: Path) -> RunningMoments:
        """What `save` wrote."""
        stored = load_file(path)
        running = cls(stored["mean"].size)
        running._merged, running.mean = int(stored["count"][0]), stored["mean"]
        running._scatter[:] = stored["scatter"].T
        return running

    def _merge_block(self) -> None:
        if not self._waiting:
            return
        rows = self._block[: self._waiting + 1]
        mean = rows[:-1].mean(axis=0)
        rows[:-1] -= mean
        rows[-1] = self._shift_mean(self._waiting, mean)
        self._add_scatter(rows)
        self._waiting = 0

    def _shift_mean(self, count: int, mean: Array) -> Array:
        """Move the mean to that of both; return the row that both scatters lack."""
        both = max(self._merged + count, 1)
        difference = mean - self.mean
        row: Array = difference * np.sqrt(self._merged * count / both)
        self.mean = self.mean + difference * (count / both)
        self._merged += count
        return row

    def _add_scatter(self, rows: Array) -> None:
        self._scatter = blas.dsyrk(1.0, rows.T, 1.0, self._scatter, lower=1, overwrite_c=1)


def fit_moments(features: Matrix) -> Moments:
    """Features (N, D), N at least 2 → their moments."""
    if features.ndim != 2:
        raise ValueError(f"features: found shape {features.shape}, expected (N, values)")
    running = RunningMoments(features.shape[1])
    running.add(features)
    return running.moments()
