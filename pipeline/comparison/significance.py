"""Significance: whether two groups of scores differ by more than members of one configuration do.

In: scores, one a member. Out: t tests, p values corrected for many tests, and how many members would decide.
Sources: Student 1908 (paired differences); Welch 1947 (unlike deviations, unpaired); Holm 1979, "A simple sequentially
rejective multiple test procedure", Scand. J. Statist. 6, 65-70. Nothing here knows what a report is.

With few members the t test rests on normal differences. It stays honest for skewed scores too, because the difference
of two equally distributed scores is symmetric. It is too bold where each member either succeeds or collapses and varies
little otherwise: three members against three may then fall on two sides by chance. More members cure that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

LEVEL = 0.05  # of wrong verdicts in a whole comparison, and what the 95 % interval leaves out
POWER = 0.8  # the chance of a verdict that `more_members` promises
MOST_MEMBERS = 10_000  # more than that is no plan
ROUNDING = 64 * np.finfo(np.float64).eps  # a deviation this small relative to the scores is rounding error


@dataclass(frozen=True)
class Contrast:
    """A mean difference and what its error is made of: one group of paired differences, or two groups of scores."""

    difference: float
    variances: tuple[float, ...]  # of each group, divided by count - 1
    counts: tuple[int, ...]  # at least 2 each

    @property
    def standard_error(self) -> float:
        """Of the difference."""
        return float(np.sqrt(sum(self._parts())))

    @property
    def degrees_of_freedom(self) -> float:
        """After Welch and Satterthwaite; of one group it is count - 1."""
        parts = self._parts()
        return sum(parts) ** 2 / sum(part**2 / (count - 1) for part, count in zip(parts, self.counts, strict=True))

    def half_width(self) -> float | None:
        """Of the 95 % interval; None where the deviation is 0, from which no error can be told."""
        if self.standard_error == 0:
            return None
        return self.standard_error * t_quantile(LEVEL, self.degrees_of_freedom)

    def p(self) -> float | None:
        """The two-sided p value of no difference; None where the deviation is 0."""
        if self.standard_error == 0:
            return None
        t = abs(self.difference) / self.standard_error
        return float(2 * special.stdtr(self.degrees_of_freedom, -t))

    def power(self, more: int, level: float) -> float:
        """The chance that `more` members in every group decide, were difference and variances as seen (noncentral t).

        A rejection in the other direction is not counted. With two groups an approximation.
        """
        grown = Contrast(self.difference, self.variances, tuple(count + more for count in self.counts))
        freedom = grown.degrees_of_freedom
        shift = abs(self.difference) / grown.standard_error
        missed = float(special.nctdtr(freedom, shift, t_quantile(level, freedom)))
        # SciPy's series gives NaN for some shifts far above the quantile, where the chance to miss is below 1e-70.
        return 1.0 if np.isnan(missed) else 1 - missed

    def _parts(self) -> list[float]:
        return [variance / count for variance, count in zip(self.variances, self.counts, strict=True)]


def t_quantile(level: float, degrees_of_freedom: float) -> float:
    """What |t| exceeds with probability `level` where there is no difference."""
    return float(-special.stdtrit(degrees_of_freedom, level / 2))


def paired(first: Sequence[float], second: Sequence[float]) -> Contrast:
    """First minus second of pairs that share seed and latents; at least 2 pairs."""
    differences = np.subtract(first, second)
    variance = _variance(differences, np.abs([first, second]).max())
    return Contrast(float(differences.mean()), (variance,), (len(differences),))


def unpaired(first: Sequence[float], second: Sequence[float]) -> Contrast:
    """First minus second of groups that share nothing (Welch); at least 2 scores each."""
    variances = [_variance(np.asarray(group), np.abs(group).max()) for group in (first, second)]
    return Contrast(float(np.mean(first) - np.mean(second)), tuple(variances), (len(first), len(second)))


def _variance(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], largest: float) -> float:
    deviation = float(np.std(values, ddof=1))
    return 0.0 if deviation <= ROUNDING * largest else deviation**2


def holm(p_values: Sequence[float | None]) -> tuple[list[float | None], list[float]]:
    """Holm-corrected p values, and the level that each p value itself has to meet in Holm's sequence.

    A pair without a p value counts as 1: which pairs can be tested depends on the scores, so none may be left out.
    """
    order = sorted(range(len(p_values)), key=lambda index: _or_one(p_values[index]))
    corrected: list[float | None] = [None] * len(p_values)
    levels = [LEVEL] * len(p_values)
    highest = 0.0
    for place, index in enumerate(order):
        left = len(p_values) - place
        highest = max(highest, min(1.0, left * _or_one(p_values[index])))
        corrected[index] = None if p_values[index] is None else highest
        levels[index] = LEVEL / left
    return corrected, levels


def _or_one(p_value: float | None) -> float:
    return 1.0 if p_value is None else p_value


def least_decided(members: int, pairs: int) -> float:
    """Return the mean of paired differences, in their standard deviations, above which a comparison decides.

    It is the bound of Holm's first step: the largest of `pairs` differences has to exceed it. `members` is at least 2.
    """
    return t_quantile(LEVEL / pairs, members - 1) / float(np.sqrt(members))


def more_members(contrast: Contrast, level: float) -> int | None:
    """The least number of further members, at least 1, that would decide with 80 % chance; None where above 10,000.

    Difference and deviation are taken as seen. With few members the deviation seen may be off by a factor of several,
    so this is an order of magnitude. That the mean seen would just reach the level is no promise: it decides only every
    second time, hence 80 %.
    """
    if contrast.standard_error == 0 or contrast.power(MOST_MEMBERS, level) < POWER:
        return None
    low, high = 0, MOST_MEMBERS  # high is enough; low is not, or is the 0 that is never the answer
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if contrast.power(middle, level) >= POWER else (middle, high)
    return high
