"""Compact: small report files merged into few."""

from __future__ import annotations

from pipeline.cli.reports.answer import Answer
from pipeline.cli.reports.selection import newest_reports
from pipeline.reports.store import compact
from pipeline.storage.paths import Paths


def answer() -> Answer:
    """Merge report files and return how many reports were merged."""
    root = Paths.default().reports()
    newest_reports(root)
    count = compact(root)
    note = "the newest of every configuration stay files of their own"
    return Answer(f"merged {count:,} {'report' if count == 1 else 'reports'}; {note}", [{"merged": count}])
