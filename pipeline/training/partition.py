"""Partition: one optimizer configuration while it trains, and the files that are kept of it.

Its members train in a stack that other partitions share (`sweep.py`). This module holds the parts that are not shared:
history, snapshots, events, checkpoints, and members that were frozen. `publication.py` makes the artefact of it.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from pipeline.networks import Network, network_for
from pipeline.settings import TrainingSettings
from pipeline.storage.artefact import Artefact
from pipeline.storage.atomic import UNFINISHED
from pipeline.storage.details import to_json
from pipeline.storage.identity import Identity
from pipeline.storage.images import Pixels
from pipeline.storage.paths import Paths
from pipeline.tensors.details import TensorsDetails
from pipeline.training.checkpoint import Checkpoint, Checkpoints, tensors_under
from pipeline.training.details import DivergedMember
from pipeline.training.earlier import DEFAULT_COUNT
from pipeline.training.engine.member import Member
from pipeline.training.identity import (
    checkpoint_identity,
    former_checkpoint_identity_of,
    training_identity,
    with_members,
)
from pipeline.training.kept_members import count_members
from pipeline.training.records.history import HistoryRow
from pipeline.training.records.scored_images import FOLDER as EVALUATIONS
from pipeline.training.records.scored_images import thin_out, write_evaluation
from pipeline.training.records.snapshots import Pictures, snapshot_name, write_snapshot
from pipeline.training.records.tensorboard_events import EventFiles, can_write_events

ABANDONED_SECONDS = 3600.0


@dataclass(frozen=True)
class Frozen:
    """A member that diverged, with its last sound weights."""

    member: int
    step: int  # at which the divergence was found
    weights_step: int  # step of the weights that are kept
    reason: str
    networks: Mapping[str, Tensor]  # as `Ensemble.network_state`, each (1, …)

    def __str__(self) -> str:
        """Return a sentence for the log."""
        return (
            f"member {self.member} diverged at step {self.step:,}: {self.reason}; "
            f"its weights of step {self.weights_step:,} are kept"
        )

    def details(self) -> DivergedMember:
        """Return the facts for the manifest, without the weights."""
        return DivergedMember(member=self.member, step=self.step, weights_step=self.weights_step, reason=self.reason)


@dataclass
class Partition:
    """The state of one partition while it trains."""

    settings: TrainingSettings
    tensors: Artefact
    paths: Paths
    kept: Artefact | None = None  # a training that has the first members already; only the others train
    earlier_trainings: int = DEFAULT_COUNT  # of other settings, that keep their weights
    history: list[HistoryRow] = field(default_factory=list)
    frozen: dict[int, Frozen] = field(default_factory=dict)
    frozen_pictures: dict[int, Pictures] = field(default_factory=dict)
    events: EventFiles | None = None

    def __post_init__(self) -> None:
        identity = checkpoint_identity(self.settings, self.tensors)
        self.checkpoints = Checkpoints(self.folder / "checkpoints", identity.fingerprint, self.members)

    @property
    def key(self) -> str:
        """The key of the optimizer configuration."""
        return self.settings.optimizer

    @property
    def name(self) -> str:
        """The name in messages, such as `mnist_mlp adam`."""
        return f"{self.settings.recipe} {self.settings.optimizer}"

    @property
    def folder(self) -> Path:
        """The folder of the artefact."""
        return self.paths.training(self.settings.recipe, self.settings.optimizer)

    @property
    def identity(self) -> Identity:
        """The identity of the artefact."""
        return training_identity(self.settings, self.tensors)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the artefact."""
        return self.identity.fingerprint

    @property
    def members(self) -> range:
        """The numbers of the members to train, diverged ones included."""
        return range(0 if self.kept is None else count_members(self.kept), self.settings.members)

    def training_members(self) -> list[Member]:
        """Return the members to train that have not diverged."""
        return [Member(self.settings, index) for index in self.members if index not in self.frozen]

    @property
    def network(self) -> Network:
        """The network that is trained, for the shape of the data set's images."""
        return network_for(
            self.settings.network, self.tensors.details_as(TensorsDetails).image_shape, self.settings.width
        )

    # -----------------------------------------------------------------------------------------------------------------
    # While it trains

    def adopt_checkpoints(self) -> None:
        """Take over the checkpoints that an older version wrote for the kept members, or for those to train."""
        first = range(self.settings.members) if self.kept is None else range(self.members.start)
        identity = former_checkpoint_identity_of(with_members(self.identity, len(first)))
        self.checkpoints.of_members(first).adopt(identity.fingerprint)

    def clear_away(self, *, checkpoints_too: bool) -> None:
        """Remove unfinished files of killed processes, and with `checkpoints_too` all checkpoints."""
        if checkpoints_too:
            self.checkpoints.forget()
        for path in list(self.checkpoints.folder.rglob(f".*{UNFINISHED}")):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        for path in self.folder.parent.glob(f".{self.key}.*{UNFINISHED}"):
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:  # a newer folder may be in use by another run
                shutil.rmtree(path, ignore_errors=True)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Restore history and frozen members. The stack restores its own part of the tensors."""
        self.history = list(checkpoint.history)
        for facts in checkpoint.frozen:
            prefix = f"frozen.{facts['member']}."
            networks = tensors_under(prefix, checkpoint.tensors)
            self.frozen[facts["member"]] = Frozen(**facts, networks=networks)

    def open_events(self, start: int, seconds: float) -> None:
        """Begin or continue event files if TensorBoard's writer is installed."""
        if can_write_events():
            started_at = time.time() - seconds
            self.events = EventFiles(self.checkpoints.folder / "events", from_step=start, started_at=started_at)

    def record(self, rows: Iterable[HistoryRow]) -> None:
        """Add rows to the history and to the event files."""
        rows = list(rows)
        self.history += rows
        if self.events is not None:
            self.events.add(rows)

    def freeze(self, frozen: Frozen, pictures: Pictures) -> None:
        """Keep a diverged member's last sound weights and its pictures."""
        self.frozen[frozen.member], self.frozen_pictures[frozen.member] = frozen, pictures

    def save(self, step: int, seconds: float, tensors: Mapping[str, Tensor]) -> None:
        """Write a checkpoint of the partition at this step."""
        frozen_networks = {
            f"frozen.{index}.{name}": value
            for index, frozen in self.frozen.items()
            for name, value in frozen.networks.items()
        }
        facts = [to_json(frozen.details()) for frozen in self.frozen.values()]
        self.checkpoints.save(Checkpoint(step, seconds, {**tensors, **frozen_networks}, self.history, facts))
        # A later run may continue from any checkpoint and needs the images that a budget ending there keeps.
        checkpoint_steps = self.checkpoints.steps(at_most=sys.maxsize)
        thin_out(self.evaluations, self.settings.snapshot_interval_steps, [*checkpoint_steps, self.settings.steps])

    def snapshot(self, step: int, drawn: Mapping[int, Pictures]) -> None:
        """Write the members' pictures of this step. Frozen members show their last sound weights."""
        pictures = {**self.frozen_pictures, **drawn}
        path = self.checkpoints.folder / "snapshots" / snapshot_name(step)
        write_snapshot(path, [pictures[index] for index in sorted(pictures)])

    @property
    def evaluations(self) -> Path:
        """The folder of the images that are kept to be scored."""
        return self.checkpoints.folder / EVALUATIONS

    def evaluate(self, step: int, drawn: Iterable[tuple[int, Pixels]]) -> None:
        """Keep images of the members that still train, each with its index, to be scored."""
        write_evaluation(self.evaluations, step, drawn)
