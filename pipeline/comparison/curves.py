"""Curves: the training histories of several configurations in one picture.

In: reports, and the trainings they are about. Out: a PNG of four panels with one line per configuration: the mean over
members, with a band from the smallest to the largest member.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.reports.store import Report
from pipeline.storage.artefact import read_artefact
from pipeline.storage.paths import Paths
from pipeline.training.records.loss_curves import FEW_STEPS, over_members

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = {
    "discriminator_loss_real": "D loss on real",
    "discriminator_loss_generated": "D loss on generated",
    "generator_loss": "G loss",
    "discriminator_accuracy": "D is right",
}
INCHES, DOTS_PER_INCH = (9.0, 5.2), 100


def curves_of(report: Report, paths: Paths) -> pa.Table | None:
    """Return the history of the training that a report is about; None if that training is gone or was replaced."""
    training = read_artefact(paths.training(report.recipe, report.optimizer))
    if training is None or training.fingerprint != report.training_fingerprint:
        return None
    return pq.read_table(training.verified_path("history.parquet"))


def draw_overlaid(histories: Mapping[str, pa.Table]) -> bytes:
    """Return a PNG of the histories, given by the name of their configuration."""
    from matplotlib.figure import Figure  # a second to import, and only pictures need it

    figure = Figure(figsize=INCHES, layout="constrained")
    panels = figure.subplots(2, 2, sharex=True).flat
    for axes, (column, label) in zip(panels, COLUMNS.items(), strict=True):
        for name, history in histories.items():
            _line(axes, name, history, column)
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.axes[2].set_xlabel("training step")
    figure.axes[3].set_xlabel("training step")
    figure.legend(handles, names, loc="outside upper center", ncols=min(len(names), 4), fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    return buffer.getvalue()


def _line(axes: Axes, name: str, history: pa.Table, column: str) -> None:
    steps = np.unique(history["step"].to_numpy())
    low, mean, high = over_members(history, column, steps)
    axes.plot(steps, mean, label=name, linewidth=1.2, marker="." if len(steps) < FEW_STEPS else None)
    axes.fill_between(steps, low, high, alpha=0.15)
