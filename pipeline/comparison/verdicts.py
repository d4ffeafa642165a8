"""Verdicts: which of two configurations is better by a metric, and how many more members it would take to know.

In: reports of one protocol. Out: a `Verdict` a pair. Members are the replicates: those of equal seed and index share
initial weights, latents and the order of images, so scores are compared member by member. Every verdict of a comparison
together is wrong with a chance of at most 5 % for one metric (Holm 1979); several metrics are not corrected for.

Three rules keep verdicts honest.
- A member without a score (it diverged, or the score is not defined for its images) leaves the pairing. That flatters
  its configuration, so one that lost a larger share of its members than the other is never called better. It may be
  called worse.
- Differences without any spread (counts that happen to agree, the same member twice) tell nothing about chance: no
  interval, no p value, undecided.
- With fewer than 2 members with a score there is no spread to judge by: undecided, also where every member diverged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal

import pyarrow.compute as pc

from pipeline.comparison.protocol import expect_comparable
from pipeline.comparison.significance import (
    LEVEL,
    MOST_MEMBERS,
    Contrast,
    holm,
    least_decided,
    more_members,
    paired,
    unpaired,
)
from pipeline.reports.store import Report

Direction = Literal["better", "worse", "undecided"]
BETTER: Final = "better"
WORSE: Final = "worse"
UNDECIDED: Final = "undecided"
FEW_MEMBERS = 5  # up to here a verdict comes with a sentence on what so few can decide


@dataclass(frozen=True)
class Verdict:
    """What can be said of one configuration against another by one metric."""

    first: str
    second: str
    metric: str
    difference: float | None  # mean of first minus second; None without any pair
    low: float | None  # of its 95 % interval, which is not corrected for many pairs
    high: float | None
    p: float | None  # of no difference, two-sided
    corrected_p: float | None  # Holm, over all pairs of the comparison
    verdict: Direction  # on the first
    paired: bool  # by member, or Welch's test where seeds differ
    members: int  # pairs of members, or where unpaired the smaller group
    more_members: int | None  # about as many would decide with 80 % chance; None: decided, or no number can be given
    note: str  # what a reader must know; empty: nothing

    def __str__(self) -> str:
        if self.verdict != UNDECIDED:
            said = f"{self.first if self.verdict == BETTER else self.second} is better"
        elif self.more_members is None:
            said = UNDECIDED
        else:
            said = f"{UNDECIDED}: about {_rounded(self.more_members)} would decide"
        return f"{said}; {self.note}" if self.note else said


@dataclass(frozen=True)
class MemberScores:
    """One configuration's scores by one metric."""

    name: str
    seed: int | None
    by_member: Mapping[int, float | None]  # None: it diverged, or the score is not defined

    def sound(self) -> dict[int, float]:
        """The members that have a score."""
        return {member: value for member, value in self.by_member.items() if value is not None}

    @property
    def lost(self) -> int:
        """How many members have none."""
        return len(self.by_member) - len(self.sound())


def how_sure(found: Sequence[Verdict]) -> str:
    """Return one sentence on what few members can decide; empty if there are many, or too few to judge.

    `found` are all verdicts of a comparison by one metric.
    """
    judged = [verdict for verdict in found if verdict.members > 1]
    fewest = min((verdict.members for verdict in judged), default=0)
    if not 1 < fewest <= FEW_MEMBERS:
        return ""
    paired_ones = [verdict for verdict in judged if verdict.members == fewest and verdict.paired]
    bound = f"{least_decided(fewest, len(found)):.1f} standard deviations of the members' differences"
    return (
        f"with {fewest} members nothing is decided unless the largest difference exceeds "
        f"{bound if paired_ones else 'several standard deviations'}; a close verdict may change with other seeds or on "
        "another processor"
    )


def verdicts(reports: Sequence[Report], metric: str) -> list[Verdict]:
    """A verdict on every pair, in the reports' order; none by a metric of which neither lower nor higher is better.

    Raises `UnlikeProtocolsError` for reports that cannot be compared, `ValueError` where no report has the metric.
    """
    expect_comparable(reports)
    having = [report for report in reports if metric in report.metrics()]
    if reports and not having:
        raise ValueError(f"metric {metric!r}: in no report; expected one of: {', '.join(reports[0].metrics())}")
    if not having or having[0].better(metric) not in ("lower", "higher"):
        return []
    scores = [member_scores(report, metric) for report in reports]
    return compare_pairs(scores, metric, lower_is_better=having[0].better(metric) == "lower")


def member_scores(report: Report, metric: str, name: str | None = None) -> MemberScores:
    """The scores of a report's members by one metric, under its configuration's name or another."""
    rows = report.rows.filter(pc.field("metric") == metric)
    by_member = dict(zip(rows["member"].to_pylist(), rows["value"].to_pylist(), strict=True))
    return MemberScores(name or report.optimizer, report.seed, by_member)


def compare_pairs(scores: Sequence[MemberScores], metric: str, *, lower_is_better: bool) -> list[Verdict]:
    """A verdict on every pair of configurations, in their order."""
    pairs = list(combinations(scores, 2))
    contrasts = [_contrast(first, second) for first, second in pairs]
    corrected, levels = holm([None if contrast is None else contrast.p() for contrast in contrasts])
    return [
        _verdict(first, second, metric, contrast, p, level, lower_is_better)
        for (first, second), contrast, p, level in zip(pairs, contrasts, corrected, levels, strict=True)
    ]


def _contrast(first: MemberScores, second: MemberScores) -> Contrast | None:
    """The difference of two configurations, or None with fewer than 2 members."""
    one, other = first.sound(), second.sound()
    if not _are_paired(first, second):
        return unpaired([*one.values()], [*other.values()]) if min(len(one), len(other)) > 1 else None
    common = _common(first, second)
    return paired([one[m] for m in common], [other[m] for m in common]) if len(common) > 1 else None


def _are_paired(first: MemberScores, second: MemberScores) -> bool:
    """Whether members of equal index share their random numbers."""
    return first.seed == second.seed


def _common(first: MemberScores, second: MemberScores) -> list[int]:
    return sorted(first.sound().keys() & second.sound().keys())


def _verdict(
    first: MemberScores,
    second: MemberScores,
    metric: str,
    contrast: Contrast | None,
    corrected_p: float | None,
    level: float,
    lower_is_better: bool,
) -> Verdict:
    difference = _single_difference(first, second) if contrast is None else contrast.difference
    half_width = None if contrast is None else contrast.half_width()
    seen = _direction(difference, corrected_p, lower_is_better)
    flattered = _is_flattered(first, second, seen)
    needed = None if contrast is None or seen != UNDECIDED else more_members(contrast, level)
    is_paired = _are_paired(first, second)
    return Verdict(
        first=first.name,
        second=second.name,
        metric=metric,
        difference=difference,
        low=None if difference is None or half_width is None else difference - half_width,
        high=None if difference is None or half_width is None else difference + half_width,
        p=None if contrast is None else contrast.p(),
        corrected_p=corrected_p,
        verdict=UNDECIDED if flattered else seen,
        paired=is_paired,
        members=len(_common(first, second)) if is_paired else min(len(first.sound()), len(second.sound())),
        more_members=needed,
        note="; ".join(_notes(first, second, contrast, flattered, seen == UNDECIDED and needed is None)),
    )


def _single_difference(first: MemberScores, second: MemberScores) -> float | None:
    """The difference where there are too few members to judge it: of the one pair, or of the means where unpaired."""
    one, other = first.sound(), second.sound()
    if not _are_paired(first, second):
        return sum(one.values()) / len(one) - sum(other.values()) / len(other) if one and other else None
    common = _common(first, second)
    return one[common[0]] - other[common[0]] if common else None


def _direction(difference: float | None, corrected_p: float | None, lower_is_better: bool) -> Direction:
    if difference is None or corrected_p is None or corrected_p > LEVEL:
        return UNDECIDED
    return BETTER if (difference < 0) == lower_is_better else WORSE


def _is_flattered(first: MemberScores, second: MemberScores, seen: Direction) -> bool:
    """Whether the one that scores better lost the larger share of its members."""
    if seen == UNDECIDED:
        return False
    winner, loser = (first, second) if seen == BETTER else (second, first)
    return winner.lost * len(loser.by_member) > loser.lost * len(winner.by_member)


def _notes(
    first: MemberScores, second: MemberScores, contrast: Contrast | None, flattered: bool, unreachable: bool
) -> list[str]:
    notes = []
    if contrast is None:
        notes.append("needs at least 2 members with a score of each")
    elif contrast.standard_error == 0:
        notes.append("equal in every member" if contrast.difference == 0 else "the difference does not vary at all")
    elif unreachable:
        notes.append(f"more than {MOST_MEMBERS:,} members would be needed")
    if flattered:
        notes.append("the one with the better scores lost more members")
    notes += [
        f"{one.name} has no score for {one.lost} of {len(one.by_member)} members" for one in (first, second) if one.lost
    ]
    if not _are_paired(first, second):
        notes.append(f"unpaired: seeds {first.seed} and {second.seed}")
    return notes


def _rounded(count: int) -> str:
    """Two digits, all that such an estimate deserves."""
    return "1 more member" if count == 1 else f"{int(float(f'{count:.2g}')):,} more members"
