"""Judging: the options that choose the evidence and the test of a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from pipeline.comparison.rules import ALL_PAIRS, Family, Test, best_against_rest


@Parameter(name="*")
@dataclass(frozen=True)
class Judging:
    """The evidence and the test of verdicts."""

    newest: Annotated[bool, Parameter(negative="", help="use only the newest report of each configuration")] = False
    test: Annotated[
        Test, Parameter(help="moderated: t test with shared variance; plain: t test of each pair by itself")
    ] = "moderated"


@Parameter(name="*")
@dataclass(frozen=True)
class RankingJudging(Judging):
    """The evidence, the test and the pairs of verdicts on a ranking."""

    all_pairs: Annotated[
        bool, Parameter(negative="", help="compare all pairs, not only the best configuration with each other one")
    ] = False

    def family(self, best: str) -> Family:
        """Return the pairs that are tested."""
        return ALL_PAIRS if self.all_pairs else best_against_rest(best)


PAIR_DEFAULT = Judging()
RANKING_DEFAULT = RankingJudging()
