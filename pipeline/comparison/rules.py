"""Rules: the choices by which configurations are compared by one metric, and the pairs that are tested together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from pipeline.comparison.members import MemberScores, are_positive
from pipeline.comparison.shared_variance import Spread
from pipeline.comparison.significance import factors_of_all, factors_of_best
from pipeline.metrics.metric import Scale
from pipeline.settings import TIE_MARGIN

Test = Literal["moderated", "plain"]
Pair = tuple[int, int]  # rows of two configurations


@dataclass(frozen=True)
class Choices:
    """The choices of a recipe or a person that hold for all metrics."""

    test: Test = "moderated"
    margin: float = TIE_MARGIN  # relative difference below which two configurations are tied


DEFAULT_CHOICES = Choices()


@dataclass(frozen=True)
class Rules:
    """The rules by which configurations are compared by one metric."""

    metric: str
    lower_is_better: bool
    scale: Scale = "linear"  # "log": the spread is even between logarithms
    choices: Choices = DEFAULT_CHOICES
    past: Sequence[Spread] = ()  # variances of earlier comparable scores, on this scale

    @property
    def is_plain(self) -> bool:
        """True for t tests without shared variance, logarithms, collapsed members, ties and looks."""
        return self.choices.test == "plain"

    def is_log(self, scores: Sequence[MemberScores]) -> bool:
        """Return whether these scores are compared by their logarithms, which exist above 0 only."""
        return self.scale == "log" and not self.is_plain and are_positive(scores)


@dataclass(frozen=True)
class Family:
    """The pairs that share the 5 % chance of a wrong verdict: all pairs, or one configuration against each other."""

    against: str | None = None  # None: all pairs
    chosen_by_scores: bool = False  # True if `against` is the one with the best scores

    def pairs(self, names: Sequence[str]) -> list[Pair]:
        """Return the rows of each pair, the configuration `against` first."""
        if self.against is None:
            return list(combinations(range(len(names)), 2))
        one = list(names).index(self.against)
        return [(one, other) for other in range(len(names)) if other != one]

    def factors(self, names: Sequence[str]) -> list[int]:
        """Return by how many tests each step of the correction multiplies."""
        return factors_of_best(len(names)) if self.chosen_by_scores else factors_of_all(len(self.pairs(names)))


ALL_PAIRS = Family()


def best_against_rest(best: str) -> Family:
    """Return the pairs of the configuration with the best scores."""
    return Family(best, chosen_by_scores=True)


def fixed_against_rest(name: str) -> Family:
    """Return the pairs of a configuration that was chosen before these scores, such as the champion."""
    return Family(name)
