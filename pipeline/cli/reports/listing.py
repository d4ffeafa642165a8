"""List: one row a report, the newest of every configuration or all there ever were."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.cli.reports.answer import Answer
from pipeline.cli.reports.chosen import newest_reports
from pipeline.cli.table import aligned
from pipeline.comparison.ranking import estimate, shown
from pipeline.reports.store import Report, history_of
from pipeline.storage.paths import Paths

FACTS = (
    *("recipe", "optimizer", "report_id", "created_at", "steps", "width", "seed", "members", "diverged_members"),
    *("n_generated", "n_real", "extractor", "extractor_sha256", "source", "device", "training_seconds", "git_commit"),
    "ganforge_version",
)
SCORES = ("fid", "inception_score")
HEAD = ("recipe", "optimizer", "report", "made (UTC)", "steps", "seed", "members", "images", "FID", "Inception Score")
SHOWN_ID = 8  # letters of a report's id: as many as tell reports apart


def answer(arguments: argparse.Namespace) -> Answer:
    """Facts and the two best-known scores of each report."""
    root = Paths.default().reports()
    newest = newest_reports(root, arguments.recipe)
    chosen = history_of(root, arguments.recipe) if arguments.all else newest
    text = "\n".join(aligned([HEAD, *(_cells(report) for report in chosen)]))
    programs = arguments.json or arguments.csv  # a row of thousands of reports each takes its time
    return Answer(text, [_row(report) for report in chosen] if programs else [])


def _cells(report: Report) -> list[str]:
    return [
        report.recipe,
        report.optimizer,
        report.report_id[:SHOWN_ID],
        f"{report.created_at:%Y-%m-%d %H:%M}",
        f"{report.steps:,}",
        str(report.seed),
        str(report.members),
        f"{report.n_generated:,}",
        *(shown(report, metric) for metric in SCORES),
    ]


def _row(report: Report) -> dict[str, Any]:
    row = report.facts(FACTS)
    for metric in report.metrics():
        found = estimate(report.scores(metric))
        row |= {f"{metric}_mean": found.mean, f"{metric}_half_width": found.half_width}
    return row
