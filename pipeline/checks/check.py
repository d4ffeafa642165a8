"""Check: all findings on a training, and all on a report.

In: what there is of them; what is not there is None. Out: one `Finding` a check of the catalogue, in its order, also
where a check could not be judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.checks.catalogue import REPORT_CHECKS, TRAINING_CHECKS
from pipeline.checks.facts import ReportFacts, TrainingFacts
from pipeline.findings import Finding
from pipeline.settings import TrainingSettings

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.reports.store import Report


def check_training(
    history: pa.Table | None, settings: TrainingSettings | None, details: Mapping[str, Any] | None = None
) -> list[Finding]:
    """A finding for each of `TRAINING_CHECKS`.

    `history` is what `training.history.read_history` reads, `details` those of the training artefact. `ValueError`
    where the history lacks a column.
    """
    facts = TrainingFacts(history, settings, details)
    return [check(facts) for check in TRAINING_CHECKS]


def check_report(
    report: Report | None,
    previous: Report | None = None,
    scores_by_step: pa.Table | None = None,
    history: pa.Table | None = None,
    settings: TrainingSettings | None = None,
) -> list[Finding]:
    """A finding for each of `REPORT_CHECKS`.

    `previous` is the newest older report of another training of the same recipe and configuration. `scores_by_step` has
    the columns step and member (int64), metric (string) and value (float64, null where the score is not defined).
    `ValueError` where a table lacks a column.
    """
    facts = ReportFacts(report, previous, scores_by_step, history, settings)
    return [check(facts) for check in REPORT_CHECKS]
