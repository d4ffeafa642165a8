"""Active members: the members of a sweep that still train, their current interval, and their last sound weights.

A member is sound at the end of an interval in which it did not diverge. A copy of its weights is kept until the next
interval ends, so that a member that diverges is published with the weights of its last sound step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from pipeline.networks import Network
from pipeline.training.checkpoint import Checkpoint, tensors_under
from pipeline.training.engine.ensemble import Ensemble
from pipeline.training.engine.member import Member
from pipeline.training.engine.ranks import Ranks
from pipeline.training.engine.training_images import TrainingImages
from pipeline.training.partition import Frozen, Partition
from pipeline.training.records.history import IntervalMeans


class ActiveMembers:
    """The members of all partitions that have not diverged. `ensemble` is None once all have."""

    ensemble: Ensemble | None
    interval: IntervalMeans  # of the ensemble

    def __init__(
        self, partitions: Sequence[Partition], network: Network, images: TrainingImages, ranks: Ranks, sound_step: int
    ) -> None:
        """Assemble the members in their initial state; `sound_step` is the end of the last interval."""
        self.partitions = partitions
        members = [member for partition in partitions for member in partition.training_members()]
        self.sound: dict[str, Tensor] = {}  # `Ensemble.network_state` of all members, each (M, …)
        self.sound_step = sound_step
        self._use(Ensemble(members, network, images, ranks) if members else None)

    def _use(self, ensemble: Ensemble | None) -> None:
        self.ensemble, self.sound = ensemble, {}
        if ensemble is not None:
            self.interval = IntervalMeans(ensemble)
            first = ensemble.network_state(0)
            count = len(ensemble.members)
            self.sound = {name: value.new_empty(count, *value.shape[1:]) for name, value in first.items()}
            ensemble.copy_network_states(self.sound)

    # -----------------------------------------------------------------------------------------------------------------
    # Partitions

    def rows(self, partition: Partition) -> slice:
        """Return the numbers of a partition's members in the ensemble; they are neighbours."""
        members = [] if self.ensemble is None else self.ensemble.members
        numbers = [number for number, member in enumerate(members) if member.settings is partition.settings]
        return slice(numbers[0], numbers[-1] + 1) if numbers else slice(0, 0)

    def members(self, partition: Partition) -> list[Member]:
        """Return a partition's members."""
        return [] if self.ensemble is None else self.ensemble.members[self.rows(partition)]

    def network_states(self, partition: Partition) -> list[dict[str, Tensor]]:
        """Return views of the networks of each of a partition's members. Stacking them would double the memory."""
        return [ensemble.network_state(number) for ensemble, number in self._numbered(partition)]

    def _numbered(self, partition: Partition) -> list[tuple[Ensemble, int]]:
        if self.ensemble is None:
            return []
        rows = self.rows(partition)
        return [(self.ensemble, number) for number in range(rows.start, rows.stop)]

    # -----------------------------------------------------------------------------------------------------------------
    # Checkpoints

    def checkpoint_tensors(self, partition: Partition, step: int) -> dict[str, Tensor]:
        """Return the tensors of a partition's members for a checkpoint, one set per member: views, not copies."""
        if not self.members(partition):
            return {}
        rows = self.rows(partition)
        tensors = {
            f"training.{index}.{name}": value
            for index, (ensemble, number) in enumerate(self._numbered(partition))
            for name, value in ensemble.state(number).items()
        }
        tensors |= {f"interval.{name}": value for name, value in self.interval.state(rows).items()}
        if self.sound_step != step:  # else the sound weights are those that train
            tensors |= {f"sound.{name}": value[rows] for name, value in self.sound.items()}
        return tensors

    def resume(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Load the state of all members from checkpoints, one per partition."""
        if self.ensemble is None:
            return
        for partition, checkpoint in zip(self.partitions, checkpoints, strict=True):
            for index, (ensemble, number) in enumerate(self._numbered(partition)):
                ensemble.load(number, tensors_under(f"training.{index}.", checkpoint.tensors))
        self.ensemble.copy_network_states(self.sound)
        for partition, checkpoint in zip(self.partitions, checkpoints, strict=True):
            if self.members(partition):
                rows = self.rows(partition)
                self.interval.load(rows, tensors_under("interval.", checkpoint.tensors))
                for name, value in tensors_under("sound.", checkpoint.tensors).items():
                    self.sound[name][rows] = value.to(self.ensemble.device)

    # -----------------------------------------------------------------------------------------------------------------
    # Intervals

    def start_interval(self, step: int) -> None:
        """Start the next interval at a step at which all members are sound, and keep their weights."""
        if self.ensemble is not None:
            self.interval.restart()
            self.ensemble.copy_network_states(self.sound)
            self.sound_step = step

    def freeze(self, reasons: Mapping[int, str], step: int) -> list[tuple[Partition, Frozen]]:
        """Remove the members numbered in `reasons`; return each, at its last sound step, with its partition."""
        frozen = [
            (partition, self._frozen(ensemble.members[number], number, step, reasons[number]))
            for partition in self.partitions
            for ensemble, number in self._numbered(partition)
            if number in reasons
        ]
        if self.ensemble is not None:
            all_leave = len(reasons) == len(self.ensemble.members)
            self._use(None if all_leave else self.ensemble.without(list(reasons)))
        return frozen

    def _frozen(self, member: Member, number: int, step: int, reason: str) -> Frozen:
        networks = {name: value[number : number + 1].cpu().clone() for name, value in self.sound.items()}
        return Frozen(member.index, step, self.sound_step, reason, networks)

    def forget_sound_weights(self) -> None:
        """Free the memory of the sound weights, which is needed while artefacts are written."""
        self.sound = {}
