"""Significance: test if two groups of scores differ by more than the members of one configuration do.

In: scores, one per member. Out: t tests, p values corrected for many tests and many looks, and the number of members
that decide. This module reads no report.

Sources: Student 1908 (paired differences); Welch 1947 (different deviations, unpaired); Holm 1979, "A simple
sequentially rejective multiple test procedure", Scand. J. Statist. 6, 65-70; Shaffer 1986, "Modified sequentially
rejective multiple test procedures", JASA 81, 826-831 (the number of pairs that can still be equal).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

LEVEL = 0.05  # chance of a wrong verdict in a whole comparison, over all its pairs and all looks
POWER = 0.8  # chance of a verdict with the number of members that `more_members` returns
MOST_MEMBERS = 10_000  # a larger number is no practical advice
ROUNDING = 64 * np.finfo(np.float64).eps  # a deviation this small relative to the scores is rounding error

Values: TypeAlias = Sequence[float] | npt.NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Independent values; their mean is a part of a contrast."""

    variance: float  # of one value
    count: int
    degrees_of_freedom: float  # of the variance: count - 1, or more if the variance was estimated from other groups too
    weight: float = 1.0  # of the group's mean in the contrast

    @property
    def error(self) -> float:
        """The squared standard error that the group adds to the contrast."""
        return self.weight**2 * self.variance / self.count

    def grown(self, more: int) -> Group:
        """Return the group with more values of the same variance."""
        return replace(self, count=self.count + more, degrees_of_freedom=self.degrees_of_freedom + more)


@dataclass(frozen=True)
class Contrast:
    """A mean difference with the groups of values that make its error."""

    difference: float
    groups: tuple[Group, ...]
    most_freedom: float = math.inf  # of all groups together, if they share values in the estimate of their variances

    @property
    def standard_error(self) -> float:
        """The standard error of the difference."""
        return float(np.sqrt(sum(group.error for group in self.groups)))

    @property
    def degrees_of_freedom(self) -> float:
        """The degrees of freedom after Welch and Satterthwaite; for one group they are the group's own.

        That formula takes the variances as independent. Groups that share a prior have no more than `most_freedom`.
        """
        errors = [group.error for group in self.groups]
        parts = (group.error**2 / group.degrees_of_freedom for group in self.groups)
        return min(sum(errors) ** 2 / sum(parts), self.most_freedom)

    def half_width(self, level: float = LEVEL) -> float | None:
        """Return the half-width of the interval with confidence 1 - `level`; None if the deviation is 0."""
        if self.standard_error == 0:
            return None
        return self.standard_error * t_quantile(level, self.degrees_of_freedom)

    def p(self) -> float | None:
        """Return the two-sided p value of no difference; None if the deviation is 0, which estimates no error."""
        if self.standard_error == 0:
            return None
        t = abs(self.difference) / self.standard_error
        return float(2 * special.stdtr(self.degrees_of_freedom, -t))

    def power(self, more: int, level: float) -> float:
        """Return the chance that `more` members per group decide, if difference and variances stay (noncentral t).

        A rejection in the other direction is not counted. With several groups this is an approximation.
        """
        groups = tuple(group.grown(more) for group in self.groups)
        grown = Contrast(self.difference, groups, self.most_freedom + more * len(groups))
        freedom = grown.degrees_of_freedom
        shift = abs(self.difference) / grown.standard_error
        missed = float(special.nctdtr(freedom, shift, t_quantile(level, freedom)))
        # SciPy's series gives NaN for some shifts far above the quantile, where the true value is below 1e-70.
        return 1.0 if np.isnan(missed) else 1 - missed


def t_quantile(level: float, degrees_of_freedom: float) -> float:
    """Return the value that |t| exceeds with probability `level` if there is no difference."""
    return float(-special.stdtrit(degrees_of_freedom, level / 2))


def paired(first: Values, second: Values) -> Contrast:
    """Return the contrast first minus second of at least 2 pairs that share seed and latents."""
    differences = np.asarray(first) - np.asarray(second)
    group = _group(differences, max(np.abs(first).max(), np.abs(second).max()))
    return Contrast(float(differences.mean()), (group,))


def unpaired(first: Values, second: Values) -> Contrast:
    """Return the contrast first minus second of independent groups of at least 2 scores each (Welch)."""
    groups = tuple(_group(np.asarray(values), np.abs(values).max()) for values in (first, second))
    return Contrast(float(np.mean(first) - np.mean(second)), groups)


def _group(values: npt.NDArray[np.float64], largest: float) -> Group:
    deviation = float(np.std(values, ddof=1))
    return Group(0.0 if deviation <= ROUNDING * largest else deviation**2, len(values), len(values) - 1)


def combined(parts: Sequence[Contrast]) -> Contrast:
    """Return the mean of independent contrasts of one difference, weighted by their numbers of values.

    The weights are those of the precision if all values vary equally. Estimated precisions would make the error look
    smaller than it is. A part without any deviation estimates no error and is left out if another one has an error.
    """
    parts = [part for part in parts if part.standard_error > 0] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    counts = [_values_of(part) for part in parts]
    weights = [count / sum(counts) for count in counts]
    groups = [
        replace(group, weight=group.weight * weight)
        for part, weight in zip(parts, weights, strict=True)
        for group in part.groups
    ]
    difference = sum(part.difference * weight for part, weight in zip(parts, weights, strict=True))
    return Contrast(difference, tuple(groups), min(part.most_freedom for part in parts))


def _values_of(part: Contrast) -> float:
    """Return the number of pairs, or of independent groups the pairs that would be as precise: n m / (n + m)."""
    return 1 / sum(1 / group.count for group in part.groups)


# ---------------------------------------------------------------------------------------------------------------------
# Many tests, many looks


def at_look(p: float | None, look: int) -> float | None:
    """Return a p value of the `look`-th look at growing evidence, corrected for all looks, earlier and later ones.

    The k-th look spends 1 / (k (k + 1)) of the level, which is a half, then a sixth, then a twelfth. All shares sum to
    1. By Bonferroni's inequality the chance of any wrong verdict at any look is at most the level.
    """
    return None if p is None else min(1.0, p / share_of_look(look))


def share_of_look(look: int) -> float:
    """Return the share of the level that the `look`-th look spends, from 1."""
    return 1 / (look * (look + 1))


def factors_of_all(tests: int) -> list[int]:
    """Return Holm's factors: the number of tests that are left at each step."""
    return list(range(tests, 0, -1))


def factors_of_best(configurations: int) -> list[int]:
    """Return the factors for tests of the configuration with the best scores against each other one.

    The scores chose the best one, so at first any of all pairs may be the one that is tested. A configuration that
    was found to differ cannot be equal to the best one. After r such steps the wrong verdicts are among the pairs of
    the other configurations: (K - r)(K - r - 1) / 2.
    """
    return [left * (left - 1) // 2 for left in range(configurations, 1, -1)]


def step_down(p_values: Sequence[float | None], factors: Sequence[int]) -> tuple[list[float | None], list[float]]:
    """Return p values corrected step by step from the smallest, and the level that each uncorrected one has to meet.

    `factors` are the falling numbers of tests that count at each step. A pair without a p value counts as p = 1. It
    must be counted, because the scores decide if a pair can be tested. After the first p value that misses its level,
    all further ones have that same level. So an uncorrected p meets its level exactly if the corrected one is at most
    `LEVEL`.
    """
    order = sorted(range(len(p_values)), key=lambda index: _or_one(p_values[index]))
    corrected: list[float | None] = [None] * len(p_values)
    levels = [LEVEL] * len(p_values)
    highest, factor = 0.0, 1
    for position, index in enumerate(order):
        if highest <= LEVEL:
            factor = factors[position]
        highest = max(highest, min(1.0, factors[position] * _or_one(p_values[index])))
        corrected[index] = None if p_values[index] is None else highest
        levels[index] = LEVEL / factor
    return corrected, levels


def _or_one(p_value: float | None) -> float:
    return 1.0 if p_value is None else p_value


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
