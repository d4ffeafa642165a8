"""Verdicts: decide which of two configurations is better by a metric, or how many more members that would take.

In: the members' scores of several configurations (`members.py`) and `Rules`. Out: one `Verdict` per pair.

The test is a t test over members with shared variance (`shared_variance.py`), paired where members share seed and
index. Scores such as FID are compared by their logarithms, because they vary in proportion to their size. Collapsed and
diverged members are left out of it. They are counted, and the counts are tested exactly (`collapse.py`). The chance of
any wrong verdict in a comparison by one metric is at most 5 %, over all pairs and all looks at growing evidence
(`significance.py`); several metrics are not corrected for.

Three rules keep verdicts honest.
- Leaving out failed members favours their configuration. A configuration that lost a share of its members that is
  larger by more than 10 points is never called better by the scores of the others.
- Scores without any spread (counts that happen to agree, the same member twice) give no estimate of chance. There is no
  interval and no p value, and the verdict is undecided.
- With fewer than 2 members with a score there is no spread either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from pipeline.comparison.collapse import Member, find_collapsed
from pipeline.comparison.members import MemberScores
from pipeline.comparison.pairs import LARGER_SHARE, Side, TestedPair, tested_pairs
from pipeline.comparison.rules import ALL_PAIRS, Family, Rules
from pipeline.comparison.significance import LEVEL, MOST_MEMBERS, more_members, step_down
from pipeline.evidence import number

Direction = Literal["better", "worse", "tied", "undecided"]
BETTER: Final = "better"
WORSE: Final = "worse"
TIED: Final = "tied"
UNDECIDED: Final = "undecided"
FEW_MEMBERS = 5  # with at most so many, `how_sure` returns a caution
NEXT_LOOK = 2  # looks later: both configurations get one more report


@dataclass(frozen=True)
class Verdict:
    """The result of comparing one configuration with another by one metric."""

    first: str
    second: str
    metric: str
    difference: float | None  # first minus second, of geometric means if compared by logarithms; None without any pair
    low: float | None  # of the interval, which counts all pairs and looks; it excludes 0 if the scores decide
    high: float | None
    p: float | None  # two-sided, of no difference, for this pair and look alone
    corrected_p: float | None  # for all pairs of the comparison and all looks
    verdict: Direction  # on the first
    test: str  # the test with the smaller p value
    scale: str  # on which scores are compared: "linear", or "log" with differences of geometric means
    paired: bool  # every member that is used has its pair; False: some or all are compared as independent groups
    members: int  # of each configuration; if their numbers differ, of the smaller one
    first_members: int  # with a score that is used
    second_members: int
    first_failed: str  # such as "3 of 8"
    second_failed: str
    look: int  # how often the evidence on this pair has grown, from 1
    more_members: int | None  # about so many decide with a chance of 80 %; None: decided, or no number can be given
    note: str  # a caution for readers; empty if there is none

    def __str__(self) -> str:
        if self.verdict in (BETTER, WORSE):
            text = f"{self.first if self.verdict == BETTER else self.second} is better"
        elif self.more_members is None or self.verdict == TIED:
            text = self.verdict
        else:
            text = f"{UNDECIDED}: about {_rounded(self.more_members)} would decide"
        return f"{text}; {self.note}" if self.note else text


OPPOSITE: dict[Direction, Direction] = {BETTER: WORSE, WORSE: BETTER, TIED: TIED, UNDECIDED: UNDECIDED}


def seen_by_first(verdict: Verdict, second: str) -> Verdict:
    """Return the verdict with its configurations exchanged if needed, so that `second` is the second one."""
    if verdict.second == second:
        return verdict
    return replace(
        verdict,
        first=verdict.second,
        second=verdict.first,
        difference=_negative(verdict.difference),
        low=_negative(verdict.high),
        high=_negative(verdict.low),
        verdict=OPPOSITE[verdict.verdict],
        first_members=verdict.second_members,
        second_members=verdict.first_members,
        first_failed=verdict.second_failed,
        second_failed=verdict.first_failed,
    )


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


# ---------------------------------------------------------------------------------------------------------------------
# Compare


def compare_pairs(
    scores: Sequence[MemberScores],
    rules: Rules,
    family: Family = ALL_PAIRS,
    collapsed: Mapping[str, frozenset[Member]] | None = None,
) -> list[Verdict]:
    """Return a verdict on every pair of the family, in order.

    `collapsed` are the collapsed members by configuration. None: find them in these scores if they are compared by
    their logarithms. The plain test has no logarithms, no collapsed members, no looks, and corrects for all pairs.
    """
    is_log, is_plain = rules.is_log(scores), rules.is_plain
    if collapsed is None:
        collapsed = find_collapsed({one.name: one.sound() for one in scores}) if is_log else {}
    if is_plain:
        collapsed = {}
    names = [one.name for one in scores]
    sides = [Side.of(one, collapsed.get(one.name, frozenset())) for one in scores]
    tested_together = ALL_PAIRS if is_plain else family
    pairs = tested_pairs(sides, rules, tested_together.pairs(names), is_log=is_log)
    corrected, levels = step_down([pair.p_at_look for pair in pairs], tested_together.factors(names))
    # A tie must hold at the level of all pairs: the step-down levels are valid for equal configurations only.
    of_all = LEVEL / max(tested_together.factors(names), default=1)
    verdicts = [_verdict(pair, p, level, of_all) for pair, p, level in zip(pairs, corrected, levels, strict=True)]
    return _of_family(verdicts, family) if is_plain else verdicts


def _of_family(verdicts: Sequence[Verdict], family: Family) -> list[Verdict]:
    """Return those of all pairs' verdicts that belong to a family, its configuration first."""
    if family.against is None:
        return list(verdicts)
    about = [verdict for verdict in verdicts if family.against in (verdict.first, verdict.second)]
    others = [verdict.second if verdict.first == family.against else verdict.first for verdict in about]
    return [seen_by_first(verdict, other) for verdict, other in zip(about, others, strict=True)]


def _verdict(pair: TestedPair, corrected_p: float | None, level: float, level_of_ties: float) -> Verdict:
    low, high = pair.interval(level)
    direction, reason = _direction(pair, corrected_p, level, level_of_ties)
    is_open = direction == UNDECIDED and not reason
    needed = _needed(pair, level) if is_open else None
    counts = [len(values) for values in pair.used]
    return Verdict(
        first=pair.first.name,
        second=pair.second.name,
        metric=pair.rules.metric,
        difference=pair.difference,
        low=low,
        high=high,
        p=pair.p,
        corrected_p=corrected_p,
        verdict=direction,
        test=pair.test,
        scale="log" if pair.is_log else "linear",
        paired=all(part.is_paired for part in pair.parts),
        members=min(counts),
        first_members=counts[0],
        second_members=counts[1],
        first_failed=str(pair.first.failures),
        second_failed=str(pair.second.failures),
        look=pair.look,
        more_members=needed,
        note="; ".join([*reason, *_notes(pair, is_unreachable=is_open and needed is None)]),
    )


def _direction(
    pair: TestedPair, corrected_p: float | None, level: float, level_of_ties: float
) -> tuple[Direction, list[str]]:
    """Return the verdict on the first configuration, and the reason if a significant difference decides nothing."""
    if pair.is_tied(level_of_ties):
        return TIED, [f"they differ by less than {pair.rules.choices.margin:.0%}".replace("%", " %")]
    if corrected_p is None or corrected_p > LEVEL:
        return UNDECIDED, []
    by_failures = pair.is_by_failures
    first_wins = pair.first_fails_less if by_failures else pair.first_scores_better
    winner, loser = (pair.first, pair.second) if first_wins else (pair.second, pair.first)
    if not by_failures and winner.failures.share > loser.failures.share + LARGER_SHARE:
        return UNDECIDED, ["the one with the better scores lost more members"]
    if by_failures and pair.is_decided_by_scores(level) and first_wins != pair.first_scores_better:
        return UNDECIDED, ["the one that lost fewer members has the worse scores"]
    return BETTER if first_wins else WORSE, []


def _needed(pair: TestedPair, level: float) -> int | None:
    """Return how many more members would decide by their scores at the next look."""
    return None if pair.contrast is None else more_members(pair.contrast, pair.level_of_scores(level, later=NEXT_LOOK))


def _notes(pair: TestedPair, *, is_unreachable: bool) -> list[str]:
    notes = []
    if all(side.failures.without_score == side.failures.members for side in (pair.first, pair.second)):
        return ["no member has a score"]
    if pair.contrast is None:
        notes.append("needs at least 2 members with a score of each")
    elif pair.contrast.standard_error == 0:
        notes.append(
            "equal in every member" if pair.contrast.difference == 0 else "the difference does not vary at all"
        )
    elif is_unreachable:
        notes.append(f"more than {MOST_MEMBERS:,} members would be needed")
    notes += [f"{side.name}: {side.failures.words()}" for side in (pair.first, pair.second) if side.failures.count]
    if any(not part.is_paired for part in pair.parts):
        pairs = sum(len(part.first) for part in pair.parts if part.is_paired)
        notes.append(f"{pairs} pairs of members, the rest unpaired" if pairs else "unpaired: no seed in common")
    return notes


def how_sure(verdicts: Sequence[Verdict]) -> str:
    """Return a caution on comparisons with few members; empty if there are many, or too few to compare.

    `verdicts` are those of a comparison by one metric.
    """
    tested = [verdict for verdict in verdicts if verdict.low is not None and verdict.high is not None]
    fewest = min((verdict.members for verdict in tested), default=0)
    if not 1 < fewest <= FEW_MEMBERS:
        return ""
    half_width = float(f"{float(np.median([_half_width(verdict) for verdict in tested])):.2g}")
    return (
        f"with {fewest} members, differences of less than about {number(half_width)} stay undecided; "
        "--members N adds members and keeps the present ones"
    )


def _half_width(verdict: Verdict) -> float:
    """Return the part of the interval on its shorter side; that of logarithms is longer above."""
    assert verdict.difference is not None and verdict.low is not None and verdict.high is not None
    return min(verdict.high - verdict.difference, verdict.difference - verdict.low)


def _rounded(count: int) -> str:
    """Return a number of members with two digits, the precision of the estimate."""
    return "1 more member" if count == 1 else f"{int(float(f'{count:.2g}')):,} more members"
