"""TensorBoard events: the history as event files that TensorBoard opens, one run per member.

`tensorboard --logdir data/training` shows all partitions side by side. The files grow during training. A resumed run
hides the events after the checkpoint from which it continues.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.training.records.history import COLUMNS, FLOAT, TYPES, HistoryRow

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

SCALARS = [name for name in COLUMNS if TYPES[name] == FLOAT and name != "elapsed_seconds"]


def can_write_events() -> bool:
    """Return whether TensorBoard's writer is installed."""
    return importlib.util.find_spec("tensorboard") is not None


class EventFiles:
    """The event files of one partition, one folder per member."""

    def __init__(self, folder: Path, *, from_step: int, started_at: float) -> None:
        """Hide older events after `from_step`. `started_at` is the clock's time at step 0."""
        self.folder, self.from_step, self.started_at = folder, from_step, started_at
        self.writers: dict[int, SummaryWriter] = {}

    def add(self, rows: Iterable[HistoryRow]) -> None:
        """Append rows and flush them to the files."""
        for row in rows:
            writer = self._writer(row.member)
            for name in SCALARS:
                time = self.started_at + row.elapsed_seconds
                writer.add_scalar(_tag(name), getattr(row, name), row.step, walltime=time)
        for writer in self.writers.values():
            writer.flush()

    def _writer(self, member: int) -> SummaryWriter:
        from torch.utils.tensorboard import SummaryWriter

        if member not in self.writers:
            folder = str(self.folder / f"member_{member}")
            self.writers[member] = SummaryWriter(folder, purge_step=self.from_step + 1)
        return self.writers[member]

    def close(self) -> None:
        """Close the files of all members."""
        for writer in self.writers.values():
            writer.close()


def _tag(name: str) -> str:
    """Return `discriminator/loss_real` for `discriminator_loss_real`, because TensorBoard groups by the first part."""
    group, _, rest = name.partition("_")
    return f"{group}/{rest}"
