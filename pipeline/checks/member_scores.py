"""Member scores: the rows of a report by member, and members in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.reports.report import Report

COLUMNS = ("member", "value", "standard_error", "by_class", "floor", "n_generated", "n_floor")


@dataclass(frozen=True)
class MemberScore:
    """One member's value of one metric, with the columns of the report that checks read."""

    member: int
    value: float
    standard_error: float | None
    by_class: list[float] | None
    floor: float | None  # the value of real images
    n_generated: int | None
    n_floor: int | None


def members_with_scores(report: Report, metric: str) -> list[MemberScore]:
    """Return the members' values of a metric, by member; empty if the report has none."""
    rows = report.rows.select(["metric", *COLUMNS]).to_pylist()
    scores = [
        MemberScore(**{column: row[column] for column in COLUMNS})
        for row in rows
        if row["metric"] == metric and row["value"] is not None
    ]
    return sorted(scores, key=lambda score: score.member)


def name_members(members: Sequence[int], count: int) -> str:
    """Return words for some of `count` members, such as `2 of 3 members (0, 2)` or `all 3 members`."""
    if count == 1:
        return "the only member"
    if len(members) == count:
        return f"all {count} members"
    return f"{len(members)} of {count} members ({', '.join(map(str, members))})"
