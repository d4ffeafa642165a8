"""Loss curves: the losses and accuracies of a partition's history as one picture.

In: the table of a history. Out: a PNG. A line is the mean over members; its band reaches from the least to the greatest
member. The three losses have a line each, as in the blog's plots.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOSS_TITLES = {
    "discriminator_loss_real": "D on real",
    "discriminator_loss_generated": "D on generated",
    "generator_loss": "G",
}
ACCURACIES = {
    "discriminator_accuracy": "D judges right",
    "adversarial_accuracy": "D takes generated for real",
}
PANELS = {"loss": LOSS_TITLES, "share of images": ACCURACIES}
Steps = npt.NDArray[np.int64]  # (S,), ascending

FEW_STEPS = 5  # with fewer, points are marked: a line through one point is invisible
INCHES, DOTS_PER_INCH = (9.0, 3.2), 100


def draw_curves(history: pa.Table) -> bytes:
    """Return a PNG of two panels, losses and accuracies by training step, from the table of `read_history`."""
    buffer = io.BytesIO()
    plot_curves(history).savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    return buffer.getvalue()


def plot_curves(history: pa.Table) -> Figure:
    """Return the two panels as a figure."""
    from matplotlib.figure import Figure  # a second to import, and only pictures need it

    figure = Figure(figsize=INCHES, layout="constrained")
    steps = np.unique(history["step"].to_numpy())
    for axes, (name, columns) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        for column, label in columns.items():
            low, mean, high = over_members(history, column, steps)
            axes.plot(steps, mean, label=label, linewidth=1.2, marker="." if len(steps) < FEW_STEPS else None)
            axes.fill_between(steps, low, high, alpha=0.2)
        axes.set_xlabel("training step")
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    return figure


def over_members(history: pa.Table, column: str, steps: Steps) -> list[npt.NDArray[np.float64]]:
    """Return least, mean and greatest value of a column over the members that trained at each step, each (steps,)."""
    values = history.filter(pc.is_finite(history[column]))
    statistics = ("min", "mean", "max")
    by_step = values.group_by("step").aggregate([(column, statistic) for statistic in statistics]).sort_by("step")
    positions = np.searchsorted(steps, by_step["step"].to_numpy())
    bands = np.full((len(statistics), len(steps)), np.nan)
    for row, statistic in enumerate(statistics):
        bands[row, positions] = by_step[f"{column}_{statistic}"].to_numpy()
    return list(bands)
