"""Curves: a history and the scores along a training as arrays, member by member.

In: Arrow tables. Out: arrays in order of step. Steps whose losses are not finite (the last of a member that diverged)
and scores that are not defined are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Values = npt.NDArray[np.float64]  # (S,)
Steps = npt.NDArray[np.int64]  # (S,), ascending

LOSSES = ("discriminator_loss_real", "discriminator_loss_generated", "generator_loss")
HISTORY_COLUMNS = ("step", "member", *LOSSES, "discriminator_accuracy", "diverged")  # what is read of a history
SCORE_COLUMNS = ("step", "member", "metric", "value")


@dataclass(frozen=True)
class LossCurve:
    """One member's training."""

    member: int
    steps: Steps
    discriminator_loss: Values  # on real plus on generated images
    discriminator_size: Values  # the absolute values of both, added
    discriminator_accuracy: Values
    generator_loss: Values


@dataclass(frozen=True)
class ScoreCurve:
    """One member's values of one score along its training."""

    member: int
    steps: Steps
    values: Values


def loss_curves(history: pa.Table) -> list[LossCurve]:
    """Every member's losses, by member; `ValueError` where a column is missing."""
    columns = _columns(history, HISTORY_COLUMNS, "history")
    curves = []
    for member in np.unique(columns["member"]):
        of_member = {name: values[columns["member"] == member] for name, values in columns.items()}
        steps = of_member["step"].astype(np.int64)
        order = np.argsort(steps, kind="stable")
        order = order[np.all([np.isfinite(of_member[name][order]) for name in LOSSES], axis=0)]
        real, generated, generator = (of_member[name][order].astype(np.float64) for name in LOSSES)
        curves.append(
            LossCurve(
                member=int(member),
                steps=steps[order],
                discriminator_loss=real + generated,
                discriminator_size=np.abs(real) + np.abs(generated),
                discriminator_accuracy=of_member["discriminator_accuracy"][order].astype(np.float64),
                generator_loss=generator,
            )
        )
    return curves


def score_curves(scores_by_step: pa.Table, metric: str) -> list[ScoreCurve]:
    """Every member's values of a score, by member; empty where the table has none."""
    columns = _columns(scores_by_step, SCORE_COLUMNS, "scores along training")
    values, steps = columns["value"].astype(np.float64), columns["step"].astype(np.int64)
    wanted = (columns["metric"] == metric) & np.isfinite(values)
    curves = []
    for member in np.unique(columns["member"][wanted]):
        places = np.flatnonzero(wanted & (columns["member"] == member))
        places = places[np.argsort(steps[places], kind="stable")]
        curves.append(ScoreCurve(int(member), steps[places], values[places]))
    return curves


def named(members: Sequence[int], of: int) -> str:
    """Such as `2 of 3 members (0, 2)`, or `all 3 members`."""
    if of == 1:
        return "the only member"
    if len(members) == of:
        return f"all {of} members"
    return f"{len(members)} of {of} members ({', '.join(map(str, members))})"


def _columns(table: pa.Table, wanted: Sequence[str], what: str) -> dict[str, npt.NDArray[np.generic]]:
    missing = [name for name in wanted if name not in table.column_names]
    if missing:
        raise ValueError(
            f"{what}: found columns {', '.join(table.column_names)}, expected {', '.join(missing)} too; "
            "materialize the training or the report again"
        )
    return {name: table.column(name).to_numpy() for name in wanted}
