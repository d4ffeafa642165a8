"""History: one metric over all retrainings, oldest first."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.cli.reports.answer import Answer
from pipeline.cli.reports.chosen import NoReportError, metric_named, newest_report, newest_reports
from pipeline.cli.reports.listing import SHOWN_ID
from pipeline.cli.table import aligned
from pipeline.comparison.ranking import estimate, shown
from pipeline.reports.store import Report, history_of
from pipeline.storage.paths import Paths

FACTS = ("recipe", "optimizer", "created_at", "report_id", "steps", "width", "seed", "members", "n_generated")
HEAD = ("made (UTC)", "recipe", "optimizer", "steps", "seed", "members", "images", "report")


def answer(arguments: argparse.Namespace) -> Answer:
    """A row a report."""
    reports = _chosen(arguments)
    metric = metric_named(reports, arguments.metric)
    having = [report for report in reports if metric in report.metrics()]
    lines = aligned([[*HEAD, metric], *(_cells(report, metric) for report in having)])
    return Answer("\n".join(lines), [_row(report, metric) for report in having])


def _chosen(arguments: argparse.Namespace) -> list[Report]:
    """All reports of the recipe and the configuration, or the sentence that says which there are."""
    root = Paths.default().reports()
    newest = newest_reports(root, arguments.recipe)
    if arguments.optimizer is None:
        return history_of(root, arguments.recipe)
    if arguments.recipe is not None:
        newest_report(root, arguments.recipe, arguments.optimizer)
    found = [
        report
        for recipe in dict.fromkeys(report.recipe for report in newest)
        for report in history_of(root, recipe, arguments.optimizer)
    ]
    if not found:
        there = ", ".join(dict.fromkeys(report.optimizer for report in newest))
        raise NoReportError(f"optimizer configuration {arguments.optimizer!r} has no report; those with one: {there}")
    return found


def _row(report: Report, metric: str) -> dict[str, Any]:
    found = estimate(report.scores(metric))
    facts = report.facts(FACTS)
    return {**facts, "metric": metric, "mean": found.mean, "half_width": found.half_width}


def _cells(report: Report, metric: str) -> list[str]:
    return [
        f"{report.created_at:%Y-%m-%d %H:%M}",
        report.recipe,
        report.optimizer,
        f"{report.steps:,}",
        str(report.seed),
        str(report.members),
        f"{report.n_generated:,}",
        report.report_id[:SHOWN_ID],
        shown(report, metric),
    ]
