"""Verdicts: does a score notice a corruption, or do its differences lie within what sampling explains?

In: one score at every level of one corruption, and its standard deviation over draws of clean images. Out: a key of
`VERDICTS`. Pure: nothing is scored here.
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
    BLIND: "within what sampling explains at every level",
    MISLED: "better at some level by more than sampling explains",
    UNORDERED: "worse at some level, but a stronger corruption scores better than a weaker one",
    UNDEFINED: "no value at some level, or of some clean images",
}
CLEAN_DRAWS = 10  # of clean images, that an error is measured on
TOLERANCE = 3.0  # standard errors of a difference that sampling explains
# An error measured on a few draws is itself uncertain: so much wider, the same share of differences exceeds it.
STUDENT = float(scipy.stats.t.isf(scipy.stats.norm.sf(TOLERANCE), CLEAN_DRAWS - 1)) / TOLERANCE


def verdict(levels: Sequence[Score], better: str, spread: float, times: Sequence[float]) -> str:
    """One score at every level of one corruption, which leaves each image `times` times → a key of `VERDICTS`."""
    return judge(levels, sampling_errors(levels, spread, times), better)


def sampling_errors(levels: Sequence[Score], spread: float, times: Sequence[float]) -> list[float]:
    """The standard error of one score at every level: its own where it has one, or else that of clean images.

    `times` is how often each image is there. A score's own error takes images for independent: not so of copies, of
    which clean images have sqrt(times) the error.
    """
    own = [each.standard_error for each in levels]
    if max(times) > 1 or None in own:
        return [STUDENT * spread * count**0.5 for count in times]
    return [error for error in own if error is not None]


def judge(levels: Sequence[Score], errors: Sequence[float], better: str) -> str:
    """One score with its standard error at every level of one corruption → a key of `VERDICTS`."""
    if any(map(math.isnan, [*(each.value for each in levels), *errors])):
        return UNDEFINED
    goodness = [each.value * (1 if better == "higher" else -1) for each in levels]
    known = list(zip(goodness, errors, strict=True))
    gains = [_in_errors(known[0], each) for each in known]
    recoveries = [_in_errors(one, other) for one, other in itertools.pairwise(known)]
    if max(gains) > TOLERANCE:
        return MISLED
    if min(gains) >= -TOLERANCE:
        return BLIND
    if gains[-1] < -TOLERANCE and max(recoveries) <= TOLERANCE:
        return SEES
    return UNORDERED


def _in_errors(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The difference of two values, each given with its standard error, in standard errors of the difference."""
    difference, error = other[0] - one[0], math.hypot(one[1], other[1])
    if difference == 0:
        return 0.0
    return difference / error if error > 0 else math.copysign(math.inf, difference)
