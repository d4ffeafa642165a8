"""Kinds: families of made-up curves, each with its fault."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.checks.inputs import ReportInputs, TrainingInputs

CURVES_A_KIND = 40
Random = np.random.Generator


@dataclass(frozen=True)
class Kind:
    """A family of similar curves."""

    name: str
    description: str
    judged_by: tuple[str, ...]  # checks that these curves are negatives of, or which should find them
    sick_for: str | None  # the check that should find them; None: healthy
    make: Callable[[Random], TrainingInputs | ReportInputs]

    def curves(self, count: int = CURVES_A_KIND) -> Iterator[TrainingInputs | ReportInputs]:
        """Return the first `count` curves. Curve i does not depend on the other kinds."""
        for index in range(count):
            yield self.make(np.random.default_rng([zlib.crc32(self.name.encode()), index]))


def log_uniform(random: Random, low: float, high: float) -> float:
    """Draw a number with a uniform logarithm."""
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def wander(random: Random, count: int, deviation: float, memory: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Draw noise, (count,), of mean 0 and that standard deviation; each value keeps a share of the previous one."""
    shocks = random.normal(0, deviation * np.sqrt(1 - memory**2), count)
    values = np.empty(count)
    last = random.normal(0, deviation)
    for index, shock in enumerate(shocks):
        last = memory * last + shock
        values[index] = last
    return values
