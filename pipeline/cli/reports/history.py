"""History: one metric over all retrainings, oldest first."""

from __future__ import annotations

from typing import Any

from pipeline.cli.reports.answer import Answer
from pipeline.cli.reports.list import ID_LETTERS
from pipeline.cli.reports.selection import NoReportError, find_metric, newest_report, newest_reports
from pipeline.cli.table import aligned
from pipeline.comparison.ranking import estimate, score_text
from pipeline.reports.store import Report, history_of
from pipeline.storage.paths import Paths

FACTS = ("recipe", "optimizer", "created_at", "report_id", "steps", "width", "seed", "members", "n_generated")
HEAD = ("made (UTC)", "recipe", "optimizer", "steps", "seed", "members", "images", "report")


def answer(recipe: str | None, optimizer: str | None, metric_name: str) -> Answer:
    """Return one row per report that has the metric."""
    reports = _select(recipe, optimizer)
    metric = find_metric(reports, metric_name)
    reports = [report for report in reports if metric in report.metrics()]
    lines = aligned([[*HEAD, metric], *(_cells(report, metric) for report in reports)])
    return Answer("\n".join(lines), [_row(report, metric) for report in reports])


def _select(recipe: str | None, optimizer: str | None) -> list[Report]:
    """Return all reports of the recipe and the configuration; raise `NoReportError` if there are none."""
    root = Paths.default().reports()
    newest = newest_reports(root, recipe)
    if optimizer is None:
        return history_of(root, recipe)
    if recipe is not None:
        newest_report(root, recipe, optimizer)
    reports = [
        report
        for key in dict.fromkeys(report.recipe for report in newest)
        for report in history_of(root, key, optimizer)
    ]
    if not reports:
        names = ", ".join(dict.fromkeys(report.optimizer for report in newest))
        raise NoReportError(f"optimizer configuration {optimizer!r} has no report; those with one: {names}")
    return reports


def _row(report: Report, metric: str) -> dict[str, Any]:
    mean = estimate(report.scores(metric))
    facts = report.facts(FACTS)
    return {**facts, "metric": metric, "mean": mean.mean, "half_width": mean.half_width}


def _cells(report: Report, metric: str) -> list[str]:
    return [
        f"{report.created_at:%Y-%m-%d %H:%M}",
        report.recipe,
        report.optimizer,
        f"{report.steps:,}",
        str(report.seed),
        str(report.members),
        f"{report.n_generated:,}",
        report.report_id[:ID_LETTERS],
        score_text(report, metric),
    ]
