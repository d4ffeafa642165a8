"""Stored: findings on a partition from the files in the data folder.

In: a training artefact, or a stored report. Out: one `Finding` per check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.checks.check import check_report, check_training
from pipeline.findings import Finding
from pipeline.reports.store import Report, history_of
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.paths import Paths
from pipeline.training.details import TrainingDetails


def training_findings(training: Artefact) -> list[Finding]:
    """Return one finding per check of a training."""
    from pipeline.training.records.history import read_history
    from pipeline.training.trained import read_settings  # imports PyTorch, which takes seconds

    history = read_history(training.verified_path("history.parquet"))
    return check_training(history, read_settings(training), training.details_as(TrainingDetails))


def report_findings(report: Report, paths: Paths) -> list[Finding]:
    """Return one finding per check of a report; its history and settings are inputs if its training still exists."""
    from pipeline.reports.by_step import scores_along
    from pipeline.training.records.history import read_history
    from pipeline.training.trained import read_settings  # imports PyTorch, which takes seconds

    previous, scores_by_step = previous_report(report, paths), scores_along(report, paths)
    training = read_artefact(paths.training(report.recipe, report.optimizer))
    if training is None or training.fingerprint != report.training_fingerprint:
        return check_report(report, previous, scores_by_step)
    history = read_history(training.verified_path("history.parquet"))
    return check_report(report, previous, scores_by_step, history, read_settings(training))


def stored_findings(recipe: str, paths: Paths) -> Callable[[str], Sequence[Finding]]:
    """Return a function that maps a configuration's key to all findings on its training and its newest report.

    That function raises `FileNotFoundError` if the training does not exist.
    """

    def findings_of(optimizer: str) -> list[Finding]:
        from pipeline.training.trained import require_training

        training = training_findings(require_training(paths, recipe, optimizer))
        reports = history_of(paths.reports(), recipe, optimizer)
        return [*training, *(report_findings(reports[-1], paths) if reports else check_report(None))]

    return findings_of


def previous_report(report: Report, paths: Paths) -> Report | None:
    """Return the newest older report of the same partition about a training with other members, or None."""
    reports = history_of(paths.reports(), report.recipe, report.optimizer)
    older = [earlier for earlier in reports if earlier.created_at < report.created_at]
    others = [earlier for earlier in older if not _share_members(earlier, report)]
    return others[-1] if others else None


def _share_members(one: Report, other: Report) -> bool:
    """Return whether two reports are about the same training, perhaps with another number of members."""
    if one.training_fingerprint == other.training_fingerprint:
        return True
    tensors = [report.data_versions.get("tensors") for report in (one, other)]
    settings = [{**report.settings, "members": None} for report in (one, other)]
    return bool(one.settings) and tensors[0] == tensors[1] and settings[0] == settings[1]
