"""Significance: test if two groups of scores differ by more than the members of one configuration do.

In: scores, one per member. Out: t tests, p values corrected for many tests, and the number of members that decide.
Sources: Student 1908 (paired differences); Welch 1947 (different deviations, unpaired); Holm 1979, "A simple
sequentially rejective multiple test procedure", Scand. J. Statist. 6, 65-70. This module reads no report.

With few members the t test assumes normal differences. It stays valid for skewed scores too, because the difference of
two equally distributed scores is symmetric. It is too bold if each member either succeeds or collapses and varies
little otherwise: three members against three may then separate by chance. More members remedy that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

LEVEL = 0.05  # chance of a wrong verdict in a whole comparison, and outside the 95 % interval
POWER = 0.8  # chance of a verdict with the number of members that `more_members` returns
MOST_MEMBERS = 10_000  # a larger number is no practical advice
ROUNDING = 64 * np.finfo(np.float64).eps  # a deviation this small relative to the scores is rounding error


@dataclass(frozen=True)
class Contrast:
    """A mean difference with the parts of its error: one group of paired differences, or two groups of scores."""

    difference: float
    variances: tuple[float, ...]  # of each group, divided by count - 1
    counts: tuple[int, ...]  # at least 2 each

    @property
    def standard_error(self) -> float:
        """The standard error of the difference."""
        return float(np.sqrt(sum(self._parts())))

    @property
    def degrees_of_freedom(self) -> float:
        """The degrees of freedom after Welch and Satterthwaite; for one group they are count - 1."""
        parts = self._parts()
        return sum(parts) ** 2 / sum(part**2 / (count - 1) for part, count in zip(parts, self.counts, strict=True))

    def half_width(self) -> float | None:
        """Return the half-width of the 95 % interval; None if the deviation is 0, which estimates no error."""
        if self.standard_error == 0:
            return None
        return self.standard_error * t_quantile(LEVEL, self.degrees_of_freedom)

    def p(self) -> float | None:
        """Return the two-sided p value of no difference; None if the deviation is 0."""
        if self.standard_error == 0:
            return None
        t = abs(self.difference) / self.standard_error
        return float(2 * special.stdtr(self.degrees_of_freedom, -t))

    def power(self, more: int, level: float) -> float:
        """Return the chance that `more` members per group decide, if difference and variances stay (noncentral t).

        A rejection in the other direction is not counted. With two groups this is an approximation.
        """
        grown = Contrast(self.difference, self.variances, tuple(count + more for count in self.counts))
        freedom = grown.degrees_of_freedom
        shift = abs(self.difference) / grown.standard_error
        missed = float(special.nctdtr(freedom, shift, t_quantile(level, freedom)))
        # SciPy's series gives NaN for some shifts far above the quantile, where the true value is below 1e-70.
        return 1.0 if np.isnan(missed) else 1 - missed

    def _parts(self) -> list[float]:
        return [variance / count for variance, count in zip(self.variances, self.counts, strict=True)]


def t_quantile(level: float, degrees_of_freedom: float) -> float:
    """Return the value that |t| exceeds with probability `level` if there is no difference."""
    return float(-special.stdtrit(degrees_of_freedom, level / 2))


def paired(first: Sequence[float], second: Sequence[float]) -> Contrast:
    """Return the contrast first minus second of at least 2 pairs that share seed and latents."""
    differences = np.subtract(first, second)
    variance = _variance(differences, np.abs([first, second]).max())
    return Contrast(float(differences.mean()), (variance,), (len(differences),))


def unpaired(first: Sequence[float], second: Sequence[float]) -> Contrast:
    """Return the contrast first minus second of independent groups of at least 2 scores each (Welch)."""
    variances = [_variance(np.asarray(group), np.abs(group).max()) for group in (first, second)]
    return Contrast(float(np.mean(first) - np.mean(second)), tuple(variances), (len(first), len(second)))


def _variance(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], largest: float) -> float:
    deviation = float(np.std(values, ddof=1))
    return 0.0 if deviation <= ROUNDING * largest else deviation**2


def holm(p_values: Sequence[float | None]) -> tuple[list[float | None], list[float]]:
    """Return the Holm-corrected p values, and the level that each uncorrected p value has to meet in Holm's sequence.

    A pair without a p value counts as p = 1. It must be counted, because the scores decide if a pair can be tested.
    """
    order = sorted(range(len(p_values)), key=lambda index: _or_one(p_values[index]))
    corrected: list[float | None] = [None] * len(p_values)
    levels = [LEVEL] * len(p_values)
    highest = 0.0
    for position, index in enumerate(order):
        remaining = len(p_values) - position
        highest = max(highest, min(1.0, remaining * _or_one(p_values[index])))
        corrected[index] = None if p_values[index] is None else highest
        levels[index] = LEVEL / remaining
    return corrected, levels


def _or_one(p_value: float | None) -> float:
    return 1.0 if p_value is None else p_value


def least_decided(members: int, pairs: int) -> float:
    """Return the mean of paired differences, in their standard deviations, above which a comparison decides.

    It is the bound of Holm's first step: the largest of `pairs` differences has to exceed it. `members` is at least 2.
    """
    return t_quantile(LEVEL / pairs, members - 1) / float(np.sqrt(members))


def more_members(contrast: Contrast, level: float) -> int | None:
    """Return the least number of further members, at least 1, that decides with a chance of 80 %; None above 10,000.

    The observed difference and deviation are assumed. With few members the observed deviation may be wrong by a factor
    of several, so the result is an order of magnitude. With just enough members for the observed mean to reach the
    level, only every second comparison would decide; hence 80 %.
    """
    if contrast.standard_error == 0 or contrast.power(MOST_MEMBERS, level) < POWER:
        return None
    low, high = 0, MOST_MEMBERS  # `high` members are enough; `low` are not, or are the 0 that is never returned
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if contrast.power(middle, level) >= POWER else (middle, high)
    return high
