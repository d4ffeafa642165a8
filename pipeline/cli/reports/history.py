"""History: one metric over all retrainings, oldest first."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.cli.reports.answer import Answer
from pipeline.cli.reports.chosen import NoReportError, expect_metric, newest_report, newest_reports
from pipeline.cli.reports.listing import SHOWN_ID
from pipeline.cli.table import aligned
from pipeline.comparison.ranking import Estimate, estimate
from pipeline.reports.store import Report, history_of
from pipeline.storage.paths import Paths

FACTS = ("recipe", "optimizer", "created_at", "report_id", "steps", "width", "seed", "members", "n_generated")
HEAD = ("made (UTC)", "recipe", "optimizer", "steps", "seed", "members", "images", "report")


def answer(arguments: argparse.Namespace) -> Answer:
    """A row a report."""
    reports = _chosen(arguments)
    expect_metric(reports, arguments.metric)
    rows = [_row(report, arguments.metric) for report in reports if arguments.metric in report.metrics()]
    lines = aligned([[*HEAD, arguments.metric], *(_cells(row) for row in rows)])
    return Answer("\n".join(lines), rows)


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
        for recipe in dict.fromkeys(report.fact("recipe") for report in newest)
        for report in history_of(root, recipe, arguments.optimizer)
    ]
    if not found:
        there = ", ".join(dict.fromkeys(str(report.fact("optimizer")) for report in newest))
        raise NoReportError(f"optimizer configuration {arguments.optimizer!r} has no report; those with one: {there}")
    return found


def _row(report: Report, metric: str) -> dict[str, Any]:
    found = estimate(report.scores(metric))
    facts = {name: report.fact(name) for name in FACTS}
    return {**facts, "metric": metric, "mean": found.mean, "half_width": found.half_width}


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        f"{row['created_at']:%Y-%m-%d %H:%M}",
        row["recipe"],
        row["optimizer"],
        f"{row['steps']:,}",
        str(row["seed"]),
        str(row["members"]),
        f"{row['n_generated']:,}",
        row["report_id"][:SHOWN_ID],
        str(Estimate(row["mean"], row["half_width"])),
    ]
