"""Catalogue: the checks of a training and of a report. A new check is one file and one line here.

Importing it imports neither torch nor SciPy nor pyarrow, so that Dagster can build check specs when definitions load.
"""

from __future__ import annotations

from typing import Any

from pipeline.checks import (
    collapsed_scores,
    discriminator_loss_variance,
    discriminator_pinned,
    diverged_members,
    generator_loss_misleads,
    memorisation,
    metric_regression,
    mode_drop,
    trained_on_gpu,
)
from pipeline.checks.inputs import Check, ReportInputs, TrainingInputs

TRAINING_CHECKS: tuple[Check[TrainingInputs], ...] = (
    diverged_members.CHECK,
    discriminator_pinned.CHECK,
    discriminator_loss_variance.CHECK,
    trained_on_gpu.CHECK,
)
REPORT_CHECKS: tuple[Check[ReportInputs], ...] = (
    collapsed_scores.CHECK,
    generator_loss_misleads.CHECK,
    mode_drop.CHECK,
    memorisation.CHECK,
    metric_regression.CHECK,
)
_ALL: tuple[Check[Any], ...] = (*TRAINING_CHECKS, *REPORT_CHECKS)
CATALOGUE: dict[str, Check[Any]] = {check.name: check for check in _ALL}
