"""Check: run all checks on a training, or all on a report.

In: the inputs; None stands for one that is missing. Out: one `Finding` per check of the catalogue, in its order, also
for a check that lacks an input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.checks.catalogue import REPORT_CHECKS, TRAINING_CHECKS
from pipeline.checks.inputs import ReportInputs, TrainingInputs
from pipeline.findings import Finding
from pipeline.settings import TrainingSettings
from pipeline.training.details import TrainingDetails

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.reports.report import Report


def check_training(
    history: pa.Table | None, settings: TrainingSettings | None, details: TrainingDetails | None = None
) -> list[Finding]:
    """Return one finding for each of `TRAINING_CHECKS`.

    `history` is the table that `read_history` of `training/records/history.py` returns. Raises `ValueError` if it lacks
    a column.
    """
    inputs = TrainingInputs(history, settings, details)
    return [check(inputs) for check in TRAINING_CHECKS]


def check_report(
    report: Report | None,
    previous: Report | None = None,
    scores_by_step: pa.Table | None = None,
    history: pa.Table | None = None,
    settings: TrainingSettings | None = None,
) -> list[Finding]:
    """Return one finding for each of `REPORT_CHECKS`.

    `previous` is the newest older report of another training of the same recipe and configuration. `scores_by_step` has
    the columns step and member (int64), metric (string) and value (float64, null if the score is not defined). Raises
    `ValueError` if a table lacks a column.
    """
    inputs = ReportInputs(report, previous, scores_by_step, history, settings)
    return [check(inputs) for check in REPORT_CHECKS]
