"""Verdicts: decide which of two configurations is better by a metric, or how many more members that would take.

In: reports of one protocol. Out: one `Verdict` per pair. Members are the replicates. Members of equal seed and index
share initial weights, latents and the order of images, so scores are compared member by member. The chance of any wrong
verdict in a comparison by one metric is at most 5 % (Holm 1979); several metrics are not corrected for.

Three rules keep verdicts honest.
- A member without a score (it diverged, or the score is not defined for its images) is left out of the pairs. That
  favours its configuration, so a configuration that lost a larger share of its members is never called better. It may
  be called worse.
- Differences without any spread (counts that happen to agree, the same member twice) give no estimate of chance. There
  is no interval and no p value, and the verdict is undecided.
- With fewer than 2 members with a score there is no spread either: the verdict is undecided, even if every member of
  one configuration diverged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal

import pyarrow.compute as pc

from pipeline.comparison.protocol import expect_comparable_reports
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
FEW_MEMBERS = 5  # with at most so many, `how_sure` returns a caution


@dataclass(frozen=True)
class Verdict:
    """The result of comparing one configuration with another by one metric."""

    first: str
    second: str
    metric: str
    difference: float | None  # mean of first minus second; None without any pair
    low: float | None  # of the difference's 95 % interval, which is not corrected for many pairs
    high: float | None
    p: float | None  # two-sided, of no difference
    corrected_p: float | None  # Holm, over all pairs of the comparison
    verdict: Direction  # on the first
    paired: bool  # by member; False: Welch's test, since seeds differ
    members: int  # pairs of members; if unpaired, members of the smaller group
    more_members: int | None  # about so many decide with a chance of 80 %; None: decided, or no number can be given
    note: str  # a caution for readers; empty if there is none

    def __str__(self) -> str:
        if self.verdict != UNDECIDED:
            text = f"{self.first if self.verdict == BETTER else self.second} is better"
        elif self.more_members is None:
            text = UNDECIDED
        else:
            text = f"{UNDECIDED}: about {_rounded(self.more_members)} would decide"
        return f"{text}; {self.note}" if self.note else text


@dataclass(frozen=True)
class MemberScores:
    """One configuration's scores by one metric, member by member."""

    name: str
    seed: int | None
    by_member: Mapping[int, float | None]  # None: it diverged, or the score is not defined

    def sound(self) -> dict[int, float]:
        """Return the scores of the members that have one."""
        return {member: value for member, value in self.by_member.items() if value is not None}

    @property
    def lost(self) -> int:
        """The number of members without a score."""
        return len(self.by_member) - len(self.sound())


def how_sure(verdicts: Sequence[Verdict]) -> str:
    """Return a caution on comparisons with few members; empty if there are many, or too few to compare.

    `verdicts` are all verdicts of a comparison by one metric.
    """
    tested = [verdict for verdict in verdicts if verdict.members > 1]
    fewest = min((verdict.members for verdict in tested), default=0)
    if not 1 < fewest <= FEW_MEMBERS:
        return ""
    paired_ones = [verdict for verdict in tested if verdict.members == fewest and verdict.paired]
    bound = f"{least_decided(fewest, len(verdicts)):.1f} standard deviations of the members' differences"
    return (
        f"with {fewest} members nothing is decided unless the largest difference exceeds "
        f"{bound if paired_ones else 'several standard deviations'}; a close verdict may change with other seeds or on "
        "another processor"
    )


def compare_reports(reports: Sequence[Report], metric: str) -> list[Verdict]:
    """Return a verdict on every pair of reports, in order; none for a metric without a better end.

    Raises `UnlikeProtocolsError` for reports that cannot be compared, `ValueError` if no report has the metric.
    """
    expect_comparable_reports(reports)
    having = [report for report in reports if metric in report.metrics()]
    if reports and not having:
        raise ValueError(f"metric {metric!r}: in no report; expected one of: {', '.join(reports[0].metrics())}")
    if not having or having[0].better(metric) not in ("lower", "higher"):
        return []
    scores = [member_scores(report, metric) for report in reports]
    return compare_pairs(scores, metric, lower_is_better=having[0].better(metric) == "lower")


def member_scores(report: Report, metric: str, name: str | None = None) -> MemberScores:
    """Return the scores of a report's members by one metric, under the configuration's name or another one."""
    rows = report.rows.filter(pc.field("metric") == metric)
    by_member = dict(zip(rows["member"].to_pylist(), rows["value"].to_pylist(), strict=True))
    return MemberScores(name or report.optimizer, report.seed, by_member)


def compare_pairs(scores: Sequence[MemberScores], metric: str, *, lower_is_better: bool) -> list[Verdict]:
    """Return a verdict on every pair of configurations, in order; p is corrected for all of them."""
    pairs = list(combinations(scores, 2))
    contrasts = [_contrast(first, second) for first, second in pairs]
    corrected, levels = holm([None if contrast is None else contrast.p() for contrast in contrasts])
    return [
        _verdict(first, second, metric, contrast, p, level, lower_is_better)
        for (first, second), contrast, p, level in zip(pairs, contrasts, corrected, levels, strict=True)
    ]


def _contrast(first: MemberScores, second: MemberScores) -> Contrast | None:
    """Return the contrast of two configurations, or None with fewer than 2 members to compare."""
    one, other = first.sound(), second.sound()
    if not _are_paired(first, second):
        return unpaired([*one.values()], [*other.values()]) if min(len(one), len(other)) > 1 else None
    common = _common(first, second)
    return paired([one[m] for m in common], [other[m] for m in common]) if len(common) > 1 else None


def _are_paired(first: MemberScores, second: MemberScores) -> bool:
    """Return whether members of equal index share their random numbers."""
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
    direction = _direction(difference, corrected_p, lower_is_better)
    flattered = _is_flattered(first, second, direction)
    needed = None if contrast is None or direction != UNDECIDED else more_members(contrast, level)
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
        verdict=UNDECIDED if flattered else direction,
        paired=is_paired,
        members=len(_common(first, second)) if is_paired else min(len(first.sound()), len(second.sound())),
        more_members=needed,
        note="; ".join(_notes(first, second, contrast, flattered, direction == UNDECIDED and needed is None)),
    )


def _single_difference(first: MemberScores, second: MemberScores) -> float | None:
    """Return the difference if there are too few members to test it: of the one pair, or if unpaired, of the means."""
    one, other = first.sound(), second.sound()
    if not _are_paired(first, second):
        return sum(one.values()) / len(one) - sum(other.values()) / len(other) if one and other else None
    common = _common(first, second)
    return one[common[0]] - other[common[0]] if common else None


def _direction(difference: float | None, corrected_p: float | None, lower_is_better: bool) -> Direction:
    if difference is None or corrected_p is None or corrected_p > LEVEL:
        return UNDECIDED
    return BETTER if (difference < 0) == lower_is_better else WORSE


def _is_flattered(first: MemberScores, second: MemberScores, direction: Direction) -> bool:
    """Return whether the configuration with the better scores lost the larger share of its members."""
    if direction == UNDECIDED:
        return False
    winner, loser = (first, second) if direction == BETTER else (second, first)
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
        f"{side.name} has no score for {side.lost} of {len(side.by_member)} members"
        for side in (first, second)
        if side.lost
    ]
    if not _are_paired(first, second):
        notes.append(f"unpaired: seeds {first.seed} and {second.seed}")
    return notes


def _rounded(count: int) -> str:
    """Return a number of members with two digits, the precision of the estimate."""
    return "1 more member" if count == 1 else f"{int(float(f'{count:.2g}')):,} more members"
