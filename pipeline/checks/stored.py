"""Stored: the findings on a partition from the files as they are now.

In: a training artefact, or a stored report. Out: one `Finding` a check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.checks.check import check_report, check_training
from pipeline.findings import Finding
from pipeline.reports.store import Report, history_of
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.paths import Paths


def training_findings(training: Artefact) -> list[Finding]:
    """A finding for each check of a training."""
    from pipeline.training.records.history import read_history
    from pipeline.training.trained import read_settings  # PyTorch takes seconds to import

    return check_training(
        read_history(training.verified_path("history.parquet")), read_settings(training), training.details
    )


def report_findings(report: Report, paths: Paths) -> list[Finding]:
    """A finding for each check of a report; history and settings count where its training is still there."""
    from pipeline.reports.by_step import scores_along
    from pipeline.training.records.history import read_history
    from pipeline.training.trained import read_settings

    previous, along = previous_report(report, paths), scores_along(report, paths)
    training = read_artefact(paths.training(report.recipe, report.optimizer))
    if training is None or training.fingerprint != report.training_fingerprint:
        return check_report(report, previous, along)
    history = read_history(training.verified_path("history.parquet"))
    return check_report(report, previous, along, history, read_settings(training))


def stored_findings(recipe: str, paths: Paths) -> Callable[[str], Sequence[Finding]]:
    """A function of the configuration's key: all findings on its training and its newest report.

    It raises `FileNotFoundError` where the training is not there.
    """

    def of(optimizer: str) -> list[Finding]:
        from pipeline.training.trained import require_training

        found = training_findings(require_training(paths, recipe, optimizer))
        stored = history_of(paths.reports(), recipe, optimizer)
        return [*found, *(report_findings(stored[-1], paths) if stored else check_report(None))]

    return of


def previous_report(report: Report, paths: Paths) -> Report | None:
    """The newest older report of the same partition about another training."""
    stored = history_of(paths.reports(), report.recipe, report.optimizer)
    older = [each for each in stored if each.created_at < report.created_at]
    others = [each for each in older if each.training_fingerprint != report.training_fingerprint]
    return others[-1] if others else None
