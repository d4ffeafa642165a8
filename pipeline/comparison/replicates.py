"""Replicates: all stored members of one configuration that were trained and scored the same way.

In: the newest report of a configuration, and all reports of its recipe. Out: `Replicates`, with every member's scores.
Reports of one `pool` share settings, data, protocol and code. They differ in the seed or in the number of members, so
their members are replicates of each other. A member is known by seed and index. If several reports have it, the newest
one counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.comparison.collapse import Member
from pipeline.comparison.members import MemberScores, spread_of
from pipeline.comparison.shared_variance import Spread
from pipeline.metrics.metric import Scale
from pipeline.reports.report import Report


@dataclass(frozen=True)
class Replicates:
    """Reports of one configuration with members that are replicates of each other."""

    reports: tuple[Report, ...]  # oldest first; at least one

    @property
    def newest(self) -> Report:
        """The newest report of the configuration. The data folder holds its training and samples, if not made again."""
        return self.reports[-1]

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """The seed and the index of each member, in order."""
        return tuple(sorted({member for report in self.reports for member in _members_of(report)}))

    @property
    def count(self) -> int:
        """The number of members."""
        return len(self.members)

    @property
    def looks(self) -> int:
        """The number of reports that brought a member that no older one had."""
        known: set[Member] = set()
        looks = 0
        for report in self.reports:
            members = set(_members_of(report))
            looks += not members <= known
            known |= members
        return max(looks, 1)

    @cached_property
    def diverged(self) -> int:
        """The number of members without any score."""
        scored = {member for metric in self.metrics() for member in self.scores(metric).sound()}
        return sum(member not in scored for member in self.members)

    def metrics(self) -> list[str]:
        """Return the names of the metrics of the newest report, in their order."""
        return self.newest.metrics()

    def scores(self, metric: str, name: str | None = None) -> MemberScores:
        """Return each member's score by a metric, under the configuration's name or another one."""
        by_member: dict[Member, float | None] = {}
        for report in self.reports:
            by_member |= {(_seed_of(report), index): value for index, value in report.by_member(metric).items()}
        return MemberScores(name or self.newest.optimizer, by_member, self.looks)

    def values(self, metric: str) -> list[float]:
        """Return the scores by a metric in the order of the members; those without a score are left out."""
        return [value for _, value in sorted(self.scores(metric).sound().items())]


def alone(report: Report) -> Replicates:
    """Return the members of one report."""
    return Replicates((report,))


def pool_of(report: Report, stored: Sequence[Report]) -> Replicates:
    """Return the replicates that a report's members can be pooled with; `stored` are all reports, oldest first."""
    if not report.pool:
        return alone(report)
    partition = (report.recipe, report.optimizer, report.pool)
    pooled = [one for one in stored if (one.recipe, one.optimizer, one.pool) == partition]
    # The given report comes last: it is the newest, and a copy of it may be among the stored ones.
    return Replicates((*(one for one in pooled if one.report_id != report.report_id), report))


def pools(reports: Sequence[Report]) -> list[Replicates]:
    """Return reports, oldest first, as sets of replicates. Reports without a pool are sets by their training."""
    by_pool: dict[tuple[str, str, str], list[Report]] = {}
    for report in reports:
        key = report.pool or report.training_fingerprint
        by_pool.setdefault((report.recipe, report.optimizer, key), []).append(report)
    return [Replicates(tuple(pooled)) for pooled in by_pool.values()]


def same_evidence(first: Replicates, second: Replicates) -> bool:
    """Return whether two sets of replicates are of the same partition and pool."""
    one, other = first.newest, second.newest
    same_partition = (one.recipe, one.optimizer) == (other.recipe, other.optimizer)
    return same_partition and (one.report_id == other.report_id or (bool(one.pool) and one.pool == other.pool))


def past_spreads(
    past: Sequence[Replicates], metric: str, scale: Scale, collapsed: Sequence[frozenset[Member]]
) -> list[Spread]:
    """Return how much the members of earlier trainings varied, as one variance per set of replicates.

    `collapsed` are the members of each set that are left out.
    """
    spreads: list[Spread] = []
    for replicates, left_out in zip(past, collapsed, strict=True):
        sound = replicates.scores(metric).without(left_out).sound() if metric in replicates.metrics() else {}
        values = np.array(list(sound.values()), np.float64)
        if scale == "log":
            values = np.log(values[values > 0])
        spreads += spread_of(values)
    return spreads


def _members_of(report: Report) -> list[Member]:
    return [(_seed_of(report), index) for index in report.by_member(report.metrics()[0])]


def _seed_of(report: Report) -> int:
    """Return the seed; 0 for a report of the first versions, which had no other seed and did not store it."""
    seed: int | None = report.seed
    return 0 if seed is None else seed
