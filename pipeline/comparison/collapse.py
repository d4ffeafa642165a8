"""Collapse: failed trainings of members, as an outcome of its own beside the scores of the others.

In: the scores of all configurations by a metric with evenly spread logarithms (FID). Out: the collapsed members; and
the exact p value of "3 of 8 failed against 0 of 8".

A training that collapses has another score altogether, and by chance: with the next seed it may succeed. Such scores
are not a tail of the others, and a t test over both kinds is neither valid nor useful. A gap separates the kinds.
Source of the exact test: Fisher 1935, "The logic of inductive inference", J. R. Stat. Soc. 98, 39-82.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from pipeline.comparison.significance import LEVEL

LEAST_FACTOR = 1.5  # between the best collapsed score and the worst other one
LEAST_DEVIATIONS = 4.0  # of the scores on both sides of the gap
LEAST_FREEDOM = 3  # of that deviation
LEAST_SOUND = 1 / 3  # of all members: if fewer lie below the gap, their low scores are the exception
SAME = 1 + 1e-9  # tables with probabilities this close to each other are equally likely

Member = tuple[int, int]  # seed of the training, index


@dataclass(frozen=True)
class Failures:
    """How many members of a configuration failed."""

    members: int  # all
    collapsed: int
    without_score: int  # diverged, or the score is not defined

    @property
    def count(self) -> int:
        """The number of members that collapsed or have no score."""
        return self.collapsed + self.without_score

    @property
    def share(self) -> float:
        """The share of members that failed."""
        return self.count / max(self.members, 1)

    def __str__(self) -> str:
        return f"{self.count} of {self.members}"

    def words(self) -> str:
        """Return a clause such as `2 of 8 members collapsed, 1 of 8 members without a score`."""
        collapsed = f"{self.collapsed} of {self.members} members collapsed" if self.collapsed else ""
        rest = f"{self.without_score} of {self.members} members without a score" if self.without_score else ""
        return ", ".join(filter(None, (collapsed, rest)))


@dataclass(frozen=True)
class _Observation:
    configuration: str
    member: Member
    log_score: float


def find_collapsed(scores: Mapping[str, Mapping[Member, float]]) -> dict[str, frozenset[Member]]:
    """Return the collapsed members of each configuration, from scores of which lower is better, all above 0.

    A member has collapsed if its score lies above the widest gap, which is at least a factor of 1.5 and 4 deviations
    wide. Some configuration must have members on both sides, and at least a third of all members must lie below the
    gap. A configuration with every member above it may be worse instead of collapsed. It counts as worse if the exact
    test finds a larger share of its members there than of all others (at 5 % for all configurations).
    """
    observations = _sorted_observations(scores)
    gap = _gap(observations)
    if gap is None:
        return {name: frozenset() for name in scores}
    above = {name: frozenset(one.member for one in observations[gap:] if one.configuration == name) for name in scores}
    return {name: frozenset() if _is_worse(name, above, scores) else collapsed for name, collapsed in above.items()}


def _sorted_observations(scores: Mapping[str, Mapping[Member, float]]) -> list[_Observation]:
    finite = (
        _Observation(name, member, math.log(value))
        for name, by_member in scores.items()
        for member, value in by_member.items()
        if math.isfinite(value)
    )
    return sorted(finite, key=lambda observation: observation.log_score)


def _gap(observations: Sequence[_Observation]) -> int | None:
    """Return the number of observations below the gap; None if no gap separates collapsed members."""
    logs = np.array([observation.log_score for observation in observations])
    if len(logs) < LEAST_FREEDOM:
        return None
    widest = int(np.argmax(np.diff(logs)))
    width = logs[widest + 1] - logs[widest]
    low, high = observations[: widest + 1], observations[widest + 1 :]
    is_mixed = bool({one.configuration for one in low} & {one.configuration for one in high})
    deviation = _deviation([low, high])
    if not is_mixed or deviation is None or len(low) < LEAST_SOUND * len(logs):
        return None
    return len(low) if width >= max(math.log(LEAST_FACTOR), LEAST_DEVIATIONS * deviation) else None


def _is_worse(name: str, above: Mapping[str, frozenset[Member]], scores: Mapping[str, Mapping[Member, float]]) -> bool:
    """Return whether all members of a configuration lie above the gap, significantly more than of all others."""
    if len(above[name]) < len(scores[name]) or not above[name]:
        return False
    others = [other for other in scores if other != name]
    itself = Failures(len(scores[name]), len(above[name]), 0)
    rest = Failures(sum(len(scores[other]) for other in others), sum(len(above[other]) for other in others), 0)
    return exact_p(itself, rest) <= LEVEL / len(scores)


def _deviation(sides: Sequence[Sequence[_Observation]]) -> float | None:
    """Return the deviation of log scores around the mean of their configuration and side; None if it is unknown."""
    squares, freedom = 0.0, 0
    for side in sides:
        for name in {one.configuration for one in side}:
            values = np.array([one.log_score for one in side if one.configuration == name])
            squares += float(((values - values.mean()) ** 2).sum())
            freedom += len(values) - 1
    return math.sqrt(squares / freedom) if freedom >= LEAST_FREEDOM else None


def exact_p(first: Failures, second: Failures) -> float:
    """Return Fisher's two-sided p value that both fail equally often: the tables no likelier than the observed one."""
    failed, members = first.count + second.count, first.members + second.members
    counts = np.arange(max(0, failed - second.members), min(first.members, failed) + 1)
    ways = _log_choose(first.members, counts) + _log_choose(second.members, failed - counts)
    chances = np.exp(ways - _log_choose(members, failed))
    observed = chances[first.count - counts[0]]
    return min(1.0, float(chances[chances <= observed * SAME].sum()))


def _log_choose(count: int, chosen: npt.ArrayLike) -> npt.NDArray[np.float64]:
    chosen = np.asarray(chosen, np.float64)
    result: npt.NDArray[np.float64] = (
        special.gammaln(count + 1) - special.gammaln(chosen + 1) - special.gammaln(count - chosen + 1)
    )
    return result
