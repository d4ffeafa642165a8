"""Verdicts: does a score notice a corruption, or can sampling explain its differences?

In: one score at every level of one corruption, and its standard deviation over sets of clean images. Out: a key of
`VERDICTS`. Pure: computes no score.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import scipy.stats

from pipeline.metrics.score import Score

SEES, BLIND, MISLED, UNORDERED, UNDEFINED = "sees", "blind", "misled", "unordered", "undefined"
VERDICTS = {
    SEES: "worse with every level, at the last by more than sampling explains",
    BLIND: "within the noise of sampling at every level",
    MISLED: "better at some level by more than sampling explains",
    UNORDERED: "worse at some level, but a stronger corruption scores better than a weaker one",
    UNDEFINED: "no value at some level, or of some clean images",
}
CLEAN_DRAWS = 10  # sets of clean images from which an error is measured
TOLERANCE = 3.0  # standard errors; sampling explains smaller differences
# An error measured on few sets is itself uncertain. Widened by this factor, it is exceeded by the same share of
# differences as a known error.
STUDENT = float(scipy.stats.t.isf(scipy.stats.norm.sf(TOLERANCE), CLEAN_DRAWS - 1)) / TOLERANCE


def verdict(levels: Sequence[Score], better: str, spread: float, times: Sequence[float]) -> str:
    """Return a key of `VERDICTS` for one score at every level of one corruption.

    `times` is how often each image is in the set at each level.
    """
    return verdict_by_errors(levels, sampling_errors(levels, spread, times), better)


def sampling_errors(levels: Sequence[Score], spread: float, times: Sequence[float]) -> list[float]:
    """Return the standard error of one score at every level: its own if it has one, else that of clean images.

    `times` is how often each image is in the set. A score's own error assumes independent images, which copies are not:
    with copies, the error is sqrt(times) that of clean images.
    """
    errors = [score.standard_error for score in levels]
    if max(times) > 1 or None in errors:
        return [STUDENT * spread * count**0.5 for count in times]
    return [error for error in errors if error is not None]


def verdict_by_errors(levels: Sequence[Score], errors: Sequence[float], better: str) -> str:
    """Return a key of `VERDICTS` for one score with its standard error at every level of one corruption."""
    if any(map(math.isnan, [*(score.value for score in levels), *errors])):
        return UNDEFINED
    goodness = [score.value * (1 if better == "higher" else -1) for score in levels]
    with_errors = list(zip(goodness, errors, strict=True))
    gains = [_in_errors(with_errors[0], level) for level in with_errors]
    recoveries = [_in_errors(one, other) for one, other in itertools.pairwise(with_errors)]
    if max(gains) > TOLERANCE:
        return MISLED
    if min(gains) >= -TOLERANCE:
        return BLIND
    if gains[-1] < -TOLERANCE and max(recoveries) <= TOLERANCE:
        return SEES
    return UNORDERED


def _in_errors(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the difference of two values with their standard errors, in standard errors of the difference."""
    difference, error = other[0] - one[0], math.hypot(one[1], other[1])
    if difference == 0:
        return 0.0
    return difference / error if error > 0 else math.copysign(math.inf, difference)
