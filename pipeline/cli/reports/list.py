"""List: one row per report, the newest of every configuration or all stored ones."""

from __future__ import annotations

from typing import Any

from pipeline.cli.reports.answer import Answer
from pipeline.cli.reports.selection import newest_reports
from pipeline.cli.table import aligned
from pipeline.comparison.ranking import estimate, score_text
from pipeline.reports.store import Report, history_of
from pipeline.storage.paths import Paths

FACTS = (
    *("recipe", "optimizer", "report_id", "created_at", "steps", "width", "seed", "members", "diverged_members"),
    *("n_generated", "n_real", "extractor", "extractor_sha256", "source", "device", "training_seconds", "git_commit"),
    "ganforge_version",
)
SCORES = ("fid", "inception_score")
HEAD = ("recipe", "optimizer", "report", "made (UTC)", "steps", "seed", "members", "images", "FID", "Inception Score")
ID_LETTERS = 8  # of a report's id in tables, enough to tell reports apart


def answer(recipe: str | None, *, all_reports: bool, with_rows: bool) -> Answer:
    """Return the facts and the two best-known scores of each report; without rows the answer is text alone."""
    root = Paths.default().reports()
    newest = newest_reports(root, recipe)
    reports = history_of(root, recipe) if all_reports else newest
    text = "\n".join(aligned([HEAD, *(_cells(report) for report in reports)]))
    return Answer(text, [_row(report) for report in reports] if with_rows else [])  # thousands of rows take seconds


def _cells(report: Report) -> list[str]:
    return [
        report.recipe,
        report.optimizer,
        report.report_id[:ID_LETTERS],
        f"{report.created_at:%Y-%m-%d %H:%M}",
        f"{report.steps:,}",
        str(report.seed),
        str(report.members),
        f"{report.n_generated:,}",
        *(score_text(report, metric) for metric in SCORES),
    ]


def _row(report: Report) -> dict[str, Any]:
    row = report.facts(FACTS)
    for metric in report.metrics():
        mean = estimate(report.scores(metric))
        row |= {f"{metric}_mean": mean.mean, f"{metric}_half_width": mean.half_width}
    return row
