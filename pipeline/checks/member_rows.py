"""Member rows: what a report says of each member by one metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.reports.store import Report

COLUMNS = ("member", "value", "standard_error", "by_class", "floor", "ceiling", "n_generated", "n_floor")


def member_rows(report: Report, metric: str) -> list[dict[str, Any]]:
    """A row a member that has a value, by member, with `COLUMNS`; empty where the report has no such metric."""
    table = report.rows.select(["metric", *COLUMNS])
    rows = [row for row in table.to_pylist() if row["metric"] == metric and row["value"] is not None]
    return sorted(rows, key=lambda row: int(row["member"]))


def members_of(rows: Sequence[dict[str, Any]]) -> list[int]:
    """The members of rows."""
    return [row["member"] for row in rows]
