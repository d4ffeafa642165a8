"""Sweep: one loop over the members of several partitions, from a common step to the end of their budget.

In: partitions, and checkpoints of one step. Out: one artefact per partition; observations on the way.
With several ranks every process runs the same loop; only the first writes files and logs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Sequence
from itertools import islice

from pipeline.device import choose_device, device_name, tf32_products
from pipeline.storage.artefact import Artefact, find_intact
from pipeline.tensors.load import load_split
from pipeline.training.active_members import ActiveMembers
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.details import RunDetails
from pipeline.training.divergence import divergence
from pipeline.training.engine.ensemble import Ensemble
from pipeline.training.engine.member import Member
from pipeline.training.engine.ranks import Ranks
from pipeline.training.engine.training_images import TrainingImages, pixel_tensor
from pipeline.training.interruption import DeferredSignals
from pipeline.training.partition import Frozen, Partition
from pipeline.training.publication import publish
from pipeline.training.records.history import HeldOutLosses, HistoryRow, Measured, history_row
from pipeline.training.records.progress import (
    LONGEST_SILENCE_SECONDS,
    Clock,
    Observation,
    PartitionObservation,
    mean_measured,
    progress_line,
)
from pipeline.training.records.scored_images import generate_evaluations, is_kept
from pipeline.training.records.snapshots import Pictures, snapshot_pictures
from pipeline.training.records.system import SystemReader

log = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 60.0


class Sweep:
    """The loop, and the state that its parts share."""

    def __init__(
        self,
        partitions: Sequence[Partition],
        checkpoints: Sequence[Checkpoint] | None,
        ranks: Ranks,
        checkpoint_interval_steps: int | None = None,
    ) -> None:
        """Continue from `checkpoints`, one per partition and all of one step; None starts at step 0."""
        self.partitions, self.ranks = list(partitions), ranks
        self.checkpoint_interval_steps = checkpoint_interval_steps
        self.settings = partitions[0].settings  # for the fields that all partitions share
        self.start = checkpoints[0].step if checkpoints else 0
        self.device = choose_device()
        self.network = partitions[0].network
        self._load_images()
        self.system = SystemReader(self.device)
        self.active = self._resume(checkpoints or ())
        seconds = max((checkpoint.seconds for checkpoint in checkpoints), default=0.0) if checkpoints else 0.0
        self.clock = Clock(self.start, self.settings.steps, seconds)
        self.saved_at, self.saved_step = time.monotonic(), self.start
        self.last_rows: dict[str, list[HistoryRow]] = {partition.key: [] for partition in partitions}

    def _load_images(self) -> None:
        tensors = self.partitions[0].tensors
        train_split, test_split = load_split(tensors, "train"), load_split(tensors, "test")
        self.images = TrainingImages(pixel_tensor(train_split), self.device, self.network.value_range)
        self.held_out_losses = HeldOutLosses(pixel_tensor(test_split), self.settings.evaluation_images)

    def _resume(self, checkpoints: Sequence[Checkpoint]) -> ActiveMembers:
        """Return the members that continue, in the state of the checkpoints or the initial one."""
        for partition, checkpoint in zip(self.partitions, checkpoints, strict=False):
            partition.resume(checkpoint)
        sound_step = self.start // self.settings.history_interval_steps * self.settings.history_interval_steps
        active = ActiveMembers(self.partitions, self.network, self.images, self.ranks, sound_step)
        if checkpoints:
            active.resume(checkpoints)
        return active

    # -----------------------------------------------------------------------------------------------------------------
    # The loop

    def run(self) -> Generator[Observation, None, dict[str, Artefact]]:
        """Train, and publish every partition's artefact. An interruption between steps saves a checkpoint first."""
        with DeferredSignals() as signals, tf32_products(self.device):
            if self.ranks.first:
                self._begin()
            for step in range(self.start + 1, self.settings.steps + 1):
                if self.active.ensemble is None:
                    break
                signals.take()
                observation = self._step(self.active.ensemble, step, signals)
                if observation is not None:
                    yield from self._hand_over(observation, step, signals)
            self._finish()
            return self._publish()

    def _hand_over(
        self, observation: Observation, step: int, signals: DeferredSignals
    ) -> Generator[Observation, None, None]:
        """Yield an observation; if the caller never returns for the next step, save a checkpoint of this one."""
        try:
            yield observation
            signals.take()
        except BaseException:  # closed, or a signal whose handler raised before ours was in place again
            signals.take()  # a second signal must not end the saving half-way
            if self.saved_step != step:
                self._save(step)
            raise

    def _begin(self) -> None:
        for partition in self.partitions:
            partition.open_events(self.start, self.clock.seconds_before)
            for frozen in partition.frozen.values():
                partition.frozen_pictures[frozen.member] = self._pictures_of(partition, frozen)
        if self.start == 0:
            self._snapshot(0)

    def _step(self, ensemble: Ensemble, step: int, signals: DeferredSignals) -> Observation | None:
        interval_ends = step % self.settings.history_interval_steps == 0
        last = step == self.settings.steps
        measures = interval_ends or last or self.clock.is_quarter(step)
        self.active.interval.add(ensemble.step(step - 1, measure_gradients=measures))
        self.clock.images += len(ensemble.members) * self.settings.batch_size * self.settings.objective.n_critic
        # All ranks measure together: measuring averages over ranks.
        measured = self.active.interval.measure() if measures else []
        observation = self._observe(ensemble, measured, step) if measures and self.ranks.first else None
        if interval_ends:
            self._end_interval(ensemble, measured, step)
        elif not last and self.ranks.first and self.clock.should_log(step, LONGEST_SILENCE_SECONDS):
            log.info("%s", progress_line(self.settings.recipe, step, self.clock, {}))
        if step % self.settings.snapshot_interval_steps == 0:  # before the checkpoint, which promises it
            self._snapshot(step)
        if self._keeps_images(step):
            self._evaluate(step)
        if last or signals.waiting or self._should_save(step):
            self._save(step)
        if self.ranks.first:  # the other ranks end when they miss the first
            signals.deliver()
        return observation

    def _finish(self) -> None:
        """Write the final history row, snapshot and images if the run ends between two intervals.

        They are not in the checkpoint, so a longer run continues as if it had not stopped here, and a process that
        resumes that checkpoint writes them again.
        """
        step = self.settings.steps
        if self.active.ensemble is not None and step % self.settings.history_interval_steps:
            self._end_interval(self.active.ensemble, self.active.interval.measure(), step)
        if step % self.settings.snapshot_interval_steps:
            self._snapshot(step)
        if not self._keeps_images(step):
            self._evaluate(step)

    def _should_save(self, step: int) -> bool:
        if self.checkpoint_interval_steps is not None:
            return step % self.checkpoint_interval_steps == 0
        return time.monotonic() - self.saved_at >= CHECKPOINT_SECONDS

    def _save(self, step: int) -> None:
        if self.ranks.first:
            for partition in self.partitions:
                partition.save(step, self.clock.seconds(), self.active.checkpoint_tensors(partition, step))
        self.saved_at, self.saved_step = time.monotonic(), step

    # -----------------------------------------------------------------------------------------------------------------
    # Intervals

    def _end_interval(self, ensemble: Ensemble, measured: list[Measured], step: int) -> None:
        """Record history, log a line, freeze members that diverged, and start the next interval."""
        losses = self.held_out_losses.at(ensemble, step)
        seconds = self.clock.seconds()
        reasons = self._divergences(ensemble, measured)
        rows = [
            history_row(member, measured[number], losses[number], step, seconds, diverged=number in reasons)
            for number, member in enumerate(ensemble.members)
        ]
        if self.ranks.first:
            self._record(rows, step)
            if self.clock.should_log(step):
                log.info("%s", progress_line(self.settings.recipe, step, self.clock, self._means(measured)))
        for partition, frozen in self.active.freeze(reasons, step) if reasons else ():
            partition.freeze(frozen, self._pictures_of(partition, frozen))
            if self.ranks.first:
                log.warning("%s: %s", partition.name, frozen)
        self.active.start_interval(step)

    def _record(self, rows: list[HistoryRow], step: int) -> None:
        for partition in self.partitions:
            partition_rows = rows[self.active.rows(partition)]
            if step % self.settings.history_interval_steps == 0:
                partition.record(partition_rows)
            else:
                self.last_rows[partition.key] = partition_rows

    def _divergences(self, ensemble: Ensemble, measured: list[Measured]) -> dict[int, str]:
        """Return the reason for each member, by its number in the ensemble, that diverged."""
        finite = ensemble.finite_members()
        reasons = {
            number: divergence(measured[number], member.settings, weights_are_finite=finite[number])
            for number, member in enumerate(ensemble.members)
        }
        return {number: reason for number, reason in reasons.items() if reason is not None}

    # -----------------------------------------------------------------------------------------------------------------
    # Pictures and observations

    def _pictures_of(self, partition: Partition, frozen: Frozen) -> Pictures:
        solo = Ensemble([Member(partition.settings, frozen.member)], self.network, self.images, self.ranks)
        solo.load(0, frozen.networks)
        return snapshot_pictures(solo)[0]

    def _snapshot(self, step: int) -> None:
        if not self.ranks.first:
            return
        pictures = snapshot_pictures(self.active.ensemble) if self.active.ensemble is not None else []
        for partition in self.partitions:
            members = zip(self.active.members(partition), pictures[self.active.rows(partition)], strict=True)
            partition.snapshot(step, {member.index: picture for member, picture in members})

    def _keeps_images(self, step: int) -> bool:
        """Return whether a run ending at this step keeps images to score: a shorter run can continue from here."""
        return is_kept(step, self.settings.snapshot_interval_steps, budget_steps=step)

    def _evaluate(self, step: int) -> None:
        if not self.ranks.first:
            return
        images = generate_evaluations(self.active.ensemble) if self.active.ensemble is not None else iter(())
        for partition in self.partitions:
            members = self.active.members(partition)
            own_images = zip(members, islice(images, len(members)), strict=True)
            partition.evaluate(step, ((member.index, pixels) for member, pixels in own_images if pixels is not None))

    def _observe(self, ensemble: Ensemble, measured: list[Measured], step: int) -> Observation | None:
        if not self.clock.should_observe(step):
            return None
        pictures, means = snapshot_pictures(ensemble), self._means(measured)
        partitions = {}
        for partition in self.partitions:
            rows = self.active.rows(partition)
            first_picture = pictures[rows][0] if rows.stop > rows.start else None
            diverged = [frozen.reason for frozen in partition.frozen.values()]
            partitions[partition.key] = PartitionObservation(
                means[partition.key], rows.stop - rows.start, diverged, first_picture
            )
        return Observation(
            self.settings.recipe,
            step,
            self.settings.steps,
            self.clock.images_per_second(),
            self.clock.seconds_left(step),
            partitions,
            self.system.read(),
        )

    def _means(self, measured: list[Measured]) -> dict[str, Measured | None]:
        """Return the mean over each partition's members; None for a partition without any."""
        by_partition = {partition.key: measured[self.active.rows(partition)] for partition in self.partitions}
        return {key: mean_measured(members) if members else None for key, members in by_partition.items()}

    # -----------------------------------------------------------------------------------------------------------------
    # The end

    def _publish(self) -> dict[str, Artefact]:
        """Publish every partition's artefact. The other ranks wait for the first, which writes them."""
        artefacts = {}
        self.active.forget_sound_weights()
        for partition in self.partitions if self.ranks.first else ():
            networks = self.active.network_states(partition)
            generator, last_rows = self.network.generator(1), self.last_rows[partition.key]
            artefacts[partition.key] = publish(partition, generator, networks, last_rows, self._run_details())
        self.ranks.wait()
        return artefacts or {partition.key: _require_published(partition) for partition in self.partitions}

    def _run_details(self) -> RunDetails:
        return RunDetails(
            device=device_name(self.device),
            seconds=round(self.clock.seconds(), 1),
            images_per_second=round(self.clock.images_per_second()),
            resumed_at_step=self.start,
            trained_together=sum(len(partition.members) for partition in self.partitions),
            processes=self.ranks.count,
            system=self.system.read().facts(),
        )


def _require_published(partition: Partition) -> Artefact:
    artefact = find_intact(partition.folder, partition.fingerprint)
    if artefact is None:
        raise FileNotFoundError(f"{partition.folder}: the first process left no trained networks there; see its log")
    return artefact
