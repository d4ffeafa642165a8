"""Pairs: the tests of two configurations by one metric, before the correction for other pairs.

In: the members' scores and their failures. Out: `TestedPair`, with p values and an interval at any level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.comparison.collapse import Failures, Member, exact_p
from pipeline.comparison.members import Array, MemberScores, Part, ScoreTable
from pipeline.comparison.rules import Pair, Rules
from pipeline.comparison.significance import Contrast, at_look, share_of_look

TESTS = 2  # of a pair with failed members: of the scores and of the failures
LARGEST_EXPONENT = 700.0  # the exponential of more is no float64
LARGER_SHARE = 0.1  # of failed members: a configuration that lost so many more neither wins by its scores nor is tied


@dataclass(frozen=True)
class Side:
    """One of the configurations: the scores of its sound members, and how many failed."""

    scores: MemberScores
    failures: Failures

    @classmethod
    def of(cls, scores: MemberScores, collapsed: frozenset[Member]) -> Side:
        """Return a configuration of which some members have collapsed."""
        sound = scores.without(collapsed)
        count = len(collapsed & scores.sound().keys())
        return cls(sound, Failures(len(sound.by_member), count, sound.lost - count))

    @property
    def name(self) -> str:
        """The name of the configuration."""
        return self.scores.name


@dataclass(frozen=True)
class TestedPair:
    """Two configurations, and the tests of their scores and of their failures."""

    first: Side
    second: Side
    parts: Sequence[Part]
    contrast: Contrast | None  # on the scale of the test; None: too few members
    rules: Rules
    is_log: bool
    look: int

    # -----------------------------------------------------------------------------------------------------------------
    # p values

    @cached_property
    def p_of_scores(self) -> float | None:
        """The p value that members which did not fail score equally."""
        return None if self.contrast is None else self.contrast.p()

    @cached_property
    def p_of_failures(self) -> float | None:
        """The p value that members fail equally often; None if none failed, and in the plain test."""
        if self.rules.is_plain or self.first.failures.count + self.second.failures.count == 0:
            return None
        return exact_p(self.first.failures, self.second.failures)

    @property
    def tests(self) -> int:
        """The number of tests of this pair."""
        return 1 if self.p_of_failures is None else TESTS

    @property
    def p(self) -> float | None:
        """The smaller p value, corrected for the number of tests."""
        p_values = [p for p in (self.p_of_scores, self.p_of_failures) if p is not None]
        return min(1.0, self.tests * min(p_values)) if p_values else None

    @property
    def p_at_look(self) -> float | None:
        """The p value of the pair, corrected for all looks at growing evidence."""
        return self.p if self.rules.is_plain else at_look(self.p, self.look)

    @property
    def is_by_failures(self) -> bool:
        """True if the failures give the smaller p value."""
        if self.p_of_failures is None:
            return False
        return self.p_of_scores is None or self.p_of_failures < self.p_of_scores

    @property
    def test(self) -> str:
        """The name of the test with the smaller p value."""
        if self.is_by_failures:
            return "Fisher's exact test of failures"
        kinds = [part.is_paired for part in self.parts]
        name = "t" if not kinds else "paired t" if all(kinds) else "partly paired t" if any(kinds) else "Welch's t"
        return f"moderated {name}" if self._shares_variance else name

    @property
    def _shares_variance(self) -> bool:
        """True if the variance was estimated from other groups too; two configurations alone have no others."""
        groups = () if self.contrast is None else self.contrast.groups
        return any(group.degrees_of_freedom != group.count - 1 for group in groups)

    # -----------------------------------------------------------------------------------------------------------------
    # Directions

    @property
    def first_scores_better(self) -> bool:
        """True if the first has the better scores, by any amount."""
        difference = self.difference
        return difference is not None and (difference < 0) == self.rules.lower_is_better

    @property
    def first_fails_less(self) -> bool:
        """True if the first lost the smaller share of its members."""
        return self.first.failures.share < self.second.failures.share

    def is_decided_by_scores(self, level: float) -> bool:
        """Return whether the scores alone decide at a level that counts all looks and tests."""
        return self.p_of_scores is not None and self.p_of_scores <= self.level_of_scores(level)

    def is_tied(self, level: float) -> bool:
        """Return whether the whole interval lies within the margin, and neither lost many more members."""
        half_width = self.half_width(level)
        if self.rules.is_plain or self.contrast is None or half_width is None:
            return False
        unequal = abs(self.first.failures.share - self.second.failures.share) > LARGER_SHARE
        return abs(self.contrast.difference) + half_width < self.margin and not unequal

    # -----------------------------------------------------------------------------------------------------------------
    # Difference and interval

    @property
    def difference(self) -> float | None:
        """First minus second in units of the score: of geometric means if compared by logarithms."""
        if self.contrast is not None:
            return self._in_units(self.contrast.difference)
        if not self.parts:
            return None
        return self._in_units(float(self.used[0].mean() - self.used[1].mean()))

    def interval(self, level: float) -> tuple[float | None, float | None]:
        """Return the interval of the difference in units of the score, at a level that counts all looks and tests."""
        half_width = self.half_width(level)
        if self.contrast is None or half_width is None:
            return None, None
        difference = self.contrast.difference
        return self._in_units(difference - half_width), self._in_units(difference + half_width)

    def half_width(self, level: float) -> float | None:
        """Return the half-width of that interval on the scale of the test."""
        return None if self.contrast is None else self.contrast.half_width(self.level_of_scores(level))

    def level_of_scores(self, level: float, later: int = 0) -> float:
        """Return the part of a level that the test of the scores has at this look, or at a `later` one."""
        return level if self.rules.is_plain else level * share_of_look(self.look + later) / self.tests

    @property
    def margin(self) -> float:
        """The margin of a tie on the scale of the test."""
        if self.is_log:
            return math.log1p(self.rules.choices.margin)
        return self.rules.choices.margin * float(sum(abs(values.mean()) for values in self.used) / 2)

    @cached_property
    def used(self) -> tuple[Array, Array]:
        """The scores of both that the parts use, on the scale of the test."""
        empty = np.empty(0)
        return (
            np.concatenate([empty, *(part.first for part in self.parts)]),
            np.concatenate([empty, *(part.second for part in self.parts)]),
        )

    def _in_units(self, difference: float) -> float:
        if not self.is_log:
            return difference
        level = math.exp(float(self.used[1].mean()))
        return level * math.expm1(difference) if difference < LARGEST_EXPONENT else math.inf


def tested_pairs(sides: Sequence[Side], rules: Rules, pairs: Sequence[Pair], *, is_log: bool) -> list[TestedPair]:
    """Return the tests of some pairs of configurations; all of them share the estimate of the variance."""
    table = ScoreTable([side.scores for side in sides], np.log if is_log else np.asarray, rules.past)
    return [_tested(sides, rules, table, pair, is_log=is_log) for pair in pairs]


def _tested(sides: Sequence[Side], rules: Rules, table: ScoreTable, pair: Pair, *, is_log: bool) -> TestedPair:
    parts = table.parts(*pair)
    first, second = (sides[row] for row in pair)
    contrast = table.plain(parts) if rules.is_plain else table.moderated(parts)
    # A look is one state of the evidence on both; each further report of either of them makes another one.
    look = first.scores.looks + second.scores.looks - 1
    return TestedPair(first, second, parts, contrast, rules, is_log, look)
