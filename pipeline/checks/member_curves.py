"""Member curves: a history and the scores along a training as arrays, member by member.

In: Arrow tables. Out: arrays in order of step, without steps that have a loss that is not finite (the last step of a
member that diverged), and without scores that are not defined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.checks.inputs import NotJudgedError

if TYPE_CHECKING:
    import pyarrow as pa

Values = npt.NDArray[np.float64]  # (S,)
Steps = npt.NDArray[np.int64]  # (S,), ascending

LOSS_COLUMNS = ("discriminator_loss_real", "discriminator_loss_generated", "generator_loss")
HISTORY_COLUMNS = ("step", "member", *LOSS_COLUMNS, "discriminator_accuracy", "diverged")
SCORE_COLUMNS = ("step", "member", "metric", "value")


@dataclass(frozen=True)
class LossCurve:
    """The losses of one member, by interval."""

    member: int
    steps: Steps
    discriminator_loss: Values  # on real plus on generated images
    discriminator_size: Values  # the absolute values of both, added
    discriminator_accuracy: Values
    generator_loss: Values


@dataclass(frozen=True)
class ScoreCurve:
    """The values of one score of one member along its training."""

    member: int
    steps: Steps
    values: Values


def loss_curves(history: pa.Table) -> list[LossCurve]:
    """Return every member's losses, by member; `ValueError` if a column is missing."""
    columns = _columns(history, HISTORY_COLUMNS, "history")
    curves = []
    for member in np.unique(columns["member"]):
        member_columns = {name: values[columns["member"] == member] for name, values in columns.items()}
        steps = member_columns["step"].astype(np.int64)
        order = np.argsort(steps, kind="stable")
        order = order[np.all([np.isfinite(member_columns[name][order]) for name in LOSS_COLUMNS], axis=0)]
        real, generated, generator = (member_columns[name][order].astype(np.float64) for name in LOSS_COLUMNS)
        curves.append(
            LossCurve(
                member=int(member),
                steps=steps[order],
                discriminator_loss=real + generated,
                discriminator_size=np.abs(real) + np.abs(generated),
                discriminator_accuracy=member_columns["discriminator_accuracy"][order].astype(np.float64),
                generator_loss=generator,
            )
        )
    return curves


def long_loss_curves(history: pa.Table, least_intervals: int) -> list[LossCurve]:
    """Return the loss curves with enough intervals; raise `NotJudgedError` if there is none."""
    curves = [curve for curve in loss_curves(history) if len(curve.steps) >= least_intervals]
    if not curves:
        raise NotJudgedError(f"no member has {least_intervals} intervals with finite losses")
    return curves


def score_curves(scores_by_step: pa.Table, metric: str) -> list[ScoreCurve]:
    """Return every member's values of a score, by member; empty if the table has none."""
    columns = _columns(scores_by_step, SCORE_COLUMNS, "scores along training")
    values, steps = columns["value"].astype(np.float64), columns["step"].astype(np.int64)
    defined = (columns["metric"] == metric) & np.isfinite(values)
    curves = []
    for member in np.unique(columns["member"][defined]):
        rows = np.flatnonzero(defined & (columns["member"] == member))
        rows = rows[np.argsort(steps[rows], kind="stable")]
        curves.append(ScoreCurve(int(member), steps[rows], values[rows]))
    return curves


def _columns(table: pa.Table, names: Sequence[str], title: str) -> dict[str, npt.NDArray[np.generic]]:
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise ValueError(
            f"{title}: found columns {', '.join(table.column_names)}, expected {', '.join(missing)} too; "
            "materialize the training or the report again"
        )
    return {name: table.column(name).to_numpy() for name in names}
