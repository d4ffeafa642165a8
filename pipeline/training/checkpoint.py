"""Checkpoint: everything a partition needs to continue exactly where it was, in a folder that is renamed into place.

    data/training/<recipe>/<optimizer>/checkpoints/<identity>-members-0-2/
        step_00000500/   state.safetensors   history.parquet   state.json
        snapshots/       step_000000.png …   events/           of the run so far

`state.safetensors` holds weights, batch statistics, optimizer moments, the generator's average, sums of the unfinished
interval, and the weights that a diverging member would fall back to. Frozen members have their own entries. Tensors of
members that train are stored per member (`training.0.generator.…`), all others with the member dimension first. Random
numbers and the position in the data need no state: the step is their address (`engine/random_streams.py`). The identity
is a fingerprint of the settings without steps and members, so that a longer training continues from a shorter one's
last checkpoint. The folder's name holds the members that train. A checkpoint is written to a temporary folder, flushed
and renamed. The last two are kept.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from pipeline.storage.artefact import staging_folder, write_json
from pipeline.storage.atomic import flush
from pipeline.storage.lock import hold_lock
from pipeline.storage.verification import sha256_of_file
from pipeline.storage.weights import save_weights
from pipeline.training.checkpoint_names import (
    RUN_NAME,
    lock_of_run,
    run_name,
    runs_of,
    settings_name,
    settings_of_run,
    step_name,
    steps_in,
)
from pipeline.training.records.history import HistoryRow, read_history_rows, write_history

log = logging.getLogger(__name__)

KEPT = 2  # checkpoints per run
KEPT_IDENTITIES = 2  # runs of different settings


@dataclass(frozen=True)
class Checkpoint:
    """The state of a partition after `step` steps."""

    step: int
    seconds: float  # of training up to `step`
    tensors: Mapping[str, Tensor]
    history: Sequence[HistoryRow]
    frozen: Sequence[Mapping[str, Any]]  # the fields of each `DivergedMember`


class Checkpoints:
    """The checkpoints of some members of one partition's settings."""

    def __init__(self, folder: Path, identity: str, members: range) -> None:
        """Take the partition's folder of checkpoints, which has one folder per identity and range of members."""
        self.all, self.identity, self.members = folder, identity, members
        self.folder = folder / run_name(identity, members)
        self.lock = lock_of_run(self.folder)

    def of_members(self, members: range) -> Checkpoints:
        """Return the checkpoints of other members of the same settings."""
        return Checkpoints(self.all, self.identity, members)

    def adopt(self, former_identity: str) -> None:
        """Rename a run of an older version, so that its training continues."""
        former = self.all / settings_name(former_identity)
        if former.is_dir() and not self.steps(sys.maxsize):
            shutil.rmtree(self.folder, ignore_errors=True)
            former.rename(self.folder)

    def steps(self, at_most: int) -> list[int]:
        """Return the steps that have a checkpoint, the newest last."""
        return [step for step in steps_in(self.folder) if step <= at_most]

    def _path(self, step: int) -> Path:
        return self.folder / step_name(step)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, and remove all but the last two up to its step."""
        target = self._path(checkpoint.step)
        with staging_folder(target) as staged:
            save_weights(staged / "state.safetensors", checkpoint.tensors)
            write_history(staged / "history.parquet", checkpoint.history)
            for name in ("state.safetensors", "history.parquet"):
                flush(staged / name)
            facts = {
                "step": checkpoint.step,
                "seconds": checkpoint.seconds,
                "frozen": list(checkpoint.frozen),
                "sha256": {name: sha256_of_file(staged / name) for name in ("state.safetensors", "history.parquet")},
            }
            write_json(staged / "state.json", facts)
            shutil.rmtree(target, ignore_errors=True)
            staged.rename(target)
        flush(self.folder)
        for step in self.steps(checkpoint.step)[:-KEPT]:
            shutil.rmtree(self._path(step), ignore_errors=True)

    def load(self, step: int) -> Checkpoint | None:
        """Return the checkpoint of a step. If it is damaged, log and remove it, and return None."""
        path = self._path(step)
        try:
            facts = json.loads((path / "state.json").read_text(encoding="utf-8"))
            for name, expected in facts["sha256"].items():
                if sha256_of_file(path / name) != expected:
                    raise ValueError(f"{name} differs from the file that was written")
            tensors = load_file(path / "state.safetensors")
            return Checkpoint(
                step, facts["seconds"], tensors, read_history_rows(path / "history.parquet"), facts["frozen"]
            )
        except (OSError, ValueError, KeyError) as error:
            log.warning("%s: damaged (%s), skipped", path, error)
            shutil.rmtree(path, ignore_errors=True)
            return None

    def load_if_there(self, step: int) -> Checkpoint | None:
        """Return the checkpoint of a step, or None if there is none or it is damaged."""
        return self.load(step) if step in self.steps(step) else None

    def forget(self) -> None:
        """Remove all checkpoints, snapshots and events of these settings, also those of other members."""
        for run in runs_of(self.all, settings_of_run(self.folder)):
            shutil.rmtree(run, ignore_errors=True)
        self.folder.mkdir()

    def tidy(self) -> None:
        """Remove the checkpoints of all but the last used settings."""
        runs = [path for path in self.all.glob("*") if path.is_dir() and RUN_NAME.fullmatch(path.name)]
        runs.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        kept = list(dict.fromkeys(map(settings_of_run, (self.folder, *runs))))[:KEPT_IDENTITIES]
        for path in runs:
            if settings_of_run(path) not in kept:
                shutil.rmtree(path, ignore_errors=True)

    def remove(self) -> None:
        """Remove the checkpoints, snapshots and images of these members."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training the same settings. The lock ends with the process, even when killed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with hold_lock(self.lock, wait=False) as is_held:
            if not is_held:
                raise OSError(
                    f"{self.all.parent}: another process is training the same settings there; "
                    "wait for it or stop it, then run the same command again"
                )
            yield


def tensors_under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, by their names without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
