"""Sweep: one loop over the stacked members of several partitions, from a common step to the end of their budget.

In: partitions, and the step their checkpoints share. Out: one artefact a partition; observations on the way. With
several ranks every process runs the same loop; the first writes and speaks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Mapping, Sequence
from itertools import islice

import torch
from torch import Tensor

from pipeline.networks.normalisation import BatchNorm
from pipeline.storage.artefact import Artefact, find_intact
from pipeline.tensors.load import load_split
from pipeline.training.checkpoint import Checkpoint, tensors_under
from pipeline.training.details import RunDetails
from pipeline.training.divergence import divergence
from pipeline.training.engine.device import choose_device, device_name, tf32_products
from pipeline.training.engine.ensemble import Ensemble, Member
from pipeline.training.engine.in_turn import assemble
from pipeline.training.engine.ranks import Ranks
from pipeline.training.engine.training_images import TrainingImages, pixel_tensor
from pipeline.training.interruption import DeferredSignals
from pipeline.training.partition import Frozen, Partition
from pipeline.training.records.history import Evaluation, HistoryRow, Interval, Measured, history_row
from pipeline.training.records.progress import (
    LONGEST_SILENCE_SECONDS,
    Clock,
    Observation,
    PartitionObservation,
    mean_measured,
    progress_line,
)
from pipeline.training.records.scored_images import draw_evaluations, is_kept
from pipeline.training.records.snapshots import Pictures, draw
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
        """`checkpoints` are one a partition, all of one step; None starts at step 0."""
        self.partitions, self.ranks = list(partitions), ranks
        self.checkpoint_interval_steps = checkpoint_interval_steps
        self.settings = partitions[0].settings  # for what all partitions share
        self.start = checkpoints[0].step if checkpoints else 0
        self.device = choose_device()
        self.network = partitions[0].network
        self._load_images()
        self.system = SystemReader(self.device)
        self._stack(checkpoints)
        seconds = max((each.seconds for each in checkpoints), default=0.0) if checkpoints else 0.0
        self.clock = Clock(self.start, self.settings.steps, seconds)
        self.saved_at, self.saved_step = time.monotonic(), self.start
        self.last_rows: dict[str, list[HistoryRow]] = {each.key: [] for each in partitions}

    def _load_images(self) -> None:
        tensors = self.partitions[0].tensors
        train_split, test_split = load_split(tensors, "train"), load_split(tensors, "test")
        self.images = TrainingImages(pixel_tensor(train_split), self.device, self.network.value_range)
        self.evaluation = Evaluation(pixel_tensor(test_split), self.settings.evaluation_images)

    def _stack(self, checkpoints: Sequence[Checkpoint] | None) -> None:
        """The members that go on, as they were."""
        for partition, checkpoint in zip(self.partitions, checkpoints or (), strict=False):
            partition.resume(checkpoint)
        members = [member for partition in self.partitions for member in partition.training_members()]
        self.ensemble = self._ensemble(members) if members else None
        if self.ensemble is None:
            return
        self.interval = Interval(self.ensemble)
        resumed = [
            (self.rows(partition), checkpoint.tensors)
            for partition, checkpoint in zip(self.partitions, checkpoints or (), strict=False)
            if partition.training_members()
        ]
        for rows, tensors in resumed:
            for number, at in enumerate(range(rows.start, rows.stop)):
                self.ensemble.load(slice(at, at + 1), tensors_under(f"training.{number}.", tensors))
            self.interval.load(rows, tensors_under("interval.", tensors))
        self.sound = self._new_networks()
        self.ensemble.copy_networks(self.sound)
        self.sound_step = self.start // self.settings.history_interval_steps * self.settings.history_interval_steps
        for rows, tensors in resumed:
            for name, value in tensors_under("sound.", tensors).items():
                self.sound[name][rows] = value.to(self.device)

    def _ensemble(self, members: Sequence[Member]) -> Ensemble:
        return assemble(members, self.network, self.images, self.ranks)

    def _new_networks(self) -> dict[str, Tensor]:
        """Memory for a copy of all networks, to go back to."""
        assert self.ensemble is not None
        count, first = len(self.ensemble.members), self.ensemble.networks(slice(0, 1))
        return {name: value.new_empty(count, *value.shape[1:]) for name, value in first.items()}

    def rows(self, partition: Partition) -> slice:
        """Where a partition's training members stand in the stack."""
        members = self.ensemble.members if self.ensemble is not None else []
        own = [at for at, member in enumerate(members) if member.settings is partition.settings]
        return slice(own[0], own[-1] + 1) if own else slice(0, 0)

    # -----------------------------------------------------------------------------------------------------------------
    # The loop

    def run(self) -> Generator[Observation, None, dict[str, Artefact]]:
        """Train, and publish every partition's artefact. Between steps an interruption saves a checkpoint first."""
        with DeferredSignals() as signals, tf32_products(self.device):
            if self.ranks.first:
                self._begin()
            for step in range(self.start + 1, self.settings.steps + 1):
                if self.ensemble is None:
                    break
                signals.take()
                observation = self._step(self.ensemble, step, signals)
                if observation is not None:
                    yield from self._hand_over(observation, step, signals)
            self._finish()
            return self._publish()

    def _hand_over(
        self, observation: Observation, step: int, signals: DeferredSignals
    ) -> Generator[Observation, None, None]:
        """Yield an observation. If the caller never comes back for the next step, save a checkpoint of this one."""
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
        self.interval.add(ensemble.step(step - 1, measure_gradients=measures))
        self.clock.images += len(ensemble.members) * self.settings.batch_size * self.settings.objective.n_critic
        measured = self.interval.measure() if measures else []  # on all ranks at once: they average
        observation = self._observe(ensemble, measured, step) if measures and self.ranks.first else None
        if interval_ends:
            self._end_interval(ensemble, measured, step)
        elif not last and self.ranks.first and self.clock.should_log(step, LONGEST_SILENCE_SECONDS):
            log.info("%s", progress_line(self.settings.recipe, step, self.clock, {}))
        if step % self.settings.snapshot_interval_steps == 0:  # before the checkpoint, which promises it
            self._snapshot(step)
        if self._keeps(step):
            self._evaluate(step)
        if last or signals.waiting or self._should_save(step):
            self._save(step)
        if self.ranks.first:  # the others end when they miss it
            signals.deliver()
        return observation

    def _finish(self) -> None:
        """What a budget's end adds off the intervals; the last checkpoint knows nothing of it.

        So a longer budget goes on as if nothing had ended, and a process that finds that checkpoint does this again.
        """
        step = self.settings.steps
        if self.ensemble is not None and step % self.settings.history_interval_steps:
            self._end_interval(self.ensemble, self.interval.measure(), step)
        if step % self.settings.snapshot_interval_steps:
            self._snapshot(step)
        if not self._keeps(step):
            self._evaluate(step)

    def _should_save(self, step: int) -> bool:
        if self.checkpoint_interval_steps is not None:
            return step % self.checkpoint_interval_steps == 0
        return time.monotonic() - self.saved_at >= CHECKPOINT_SECONDS

    def _save(self, step: int) -> None:
        if self.ranks.first:
            for partition in self.partitions:
                partition.save(step, self.clock.seconds(), self._tensors(partition, step))
        self.saved_at, self.saved_step = time.monotonic(), step

    def _tensors(self, partition: Partition, step: int) -> dict[str, Tensor]:
        """What a checkpoint holds of the members that train, each by itself: the stack then need not be copied."""
        rows = self.rows(partition)
        if self.ensemble is None or rows.start == rows.stop:
            return {}
        tensors = {
            f"training.{number}.{name}": value
            for number, at in enumerate(range(rows.start, rows.stop))
            for name, value in self.ensemble.state(slice(at, at + 1)).items()
        }
        tensors |= {f"interval.{name}": value for name, value in self.interval.state(rows).items()}
        if self.sound_step != step:  # else they are the weights
            tensors |= {f"sound.{name}": value[rows] for name, value in self.sound.items()}
        return tensors

    # -----------------------------------------------------------------------------------------------------------------
    # Intervals

    def _end_interval(self, ensemble: Ensemble, measured: list[Measured], step: int) -> None:
        """History, a line in the log, and a look for members that diverged."""
        evaluated = self.evaluation.at(ensemble, step)
        seconds = self.clock.seconds()
        reasons = self._divergences(ensemble, measured)
        rows = [
            history_row(member, measured[at], evaluated[at], step, seconds, diverged=at in reasons)
            for at, member in enumerate(ensemble.members)
        ]
        if self.ranks.first:
            self._record(rows, step)
            if self.clock.should_log(step):
                log.info("%s", progress_line(self.settings.recipe, step, self.clock, self._means(measured)))
        if reasons:
            self._freeze(ensemble, reasons, step)
        if self.ensemble is not None:
            self.interval.restart()
            if reasons:
                self.sound = self._new_networks()
            self.ensemble.copy_networks(self.sound)
            self.sound_step = step

    def _record(self, rows: list[HistoryRow], step: int) -> None:
        for partition in self.partitions:
            own = rows[self.rows(partition)]
            if step % self.settings.history_interval_steps == 0:
                partition.record(own)
            else:
                self.last_rows[partition.key] = own

    def _divergences(self, ensemble: Ensemble, measured: list[Measured]) -> dict[int, str]:
        """Row in the stack → what is wrong with the member."""
        finite = ensemble.finite_members()
        found = {
            at: divergence(measured[at], member.settings, weights_are_finite=finite[at])
            for at, member in enumerate(ensemble.members)
        }
        return {at: reason for at, reason in found.items() if reason is not None}

    def _freeze(self, ensemble: Ensemble, reasons: Mapping[int, str], step: int) -> None:
        """Take members out of the stack as they last were sound; the others go on."""
        for partition in self.partitions:
            rows = self.rows(partition)
            for at in range(rows.start, rows.stop):
                if at in reasons:
                    networks = {name: value[at : at + 1].cpu().clone() for name, value in self.sound.items()}
                    frozen = Frozen(ensemble.members[at].index, step, self.sound_step, reasons[at], networks)
                    partition.freeze(frozen, self._pictures_of(partition, frozen))
                    if self.ranks.first:
                        log.warning("%s: %s", partition.name, frozen)
        left = len(ensemble.members) - len(reasons)
        self.ensemble = ensemble.without(list(reasons)) if left else None
        if self.ensemble is not None:
            self.interval = Interval(self.ensemble)

    # -----------------------------------------------------------------------------------------------------------------
    # Pictures and observations

    def _pictures_of(self, partition: Partition, frozen: Frozen) -> Pictures:
        alone = self._ensemble([Member(partition.settings, frozen.member)])
        alone.load(slice(0, 1), frozen.networks)
        return draw(alone)[0]

    def _snapshot(self, step: int) -> None:
        if not self.ranks.first:
            return
        drawn = draw(self.ensemble) if self.ensemble is not None else []
        for partition in self.partitions:
            rows = self.rows(partition)
            members = [] if self.ensemble is None else self.ensemble.members[rows]
            partition.snapshot(step, {each.index: own for each, own in zip(members, drawn[rows], strict=True)})

    def _keeps(self, step: int) -> bool:
        """Whether images to score are kept at this step: by any budget, since a shorter one may go on from here."""
        return is_kept(step, self.settings.snapshot_interval_steps, budget_steps=step)

    def _evaluate(self, step: int) -> None:
        if not self.ranks.first:
            return
        drawn = draw_evaluations(self.ensemble) if self.ensemble is not None else iter(())
        for partition in self.partitions:
            members = [] if self.ensemble is None else self.ensemble.members[self.rows(partition)]
            own = zip(members, islice(drawn, len(members)), strict=True)
            partition.evaluate(step, ((each.index, pixels) for each, pixels in own if pixels is not None))

    def _observe(self, ensemble: Ensemble, measured: list[Measured], step: int) -> Observation | None:
        if not self.clock.should_observe(step):
            return None
        drawn, means = draw(ensemble), self._means(measured)
        partitions = {}
        for partition in self.partitions:
            rows = self.rows(partition)
            pictures = drawn[rows][0] if rows.stop > rows.start else None
            diverged = [frozen.reason for frozen in partition.frozen.values()]
            partitions[partition.key] = PartitionObservation(
                means[partition.key], rows.stop - rows.start, diverged, pictures
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
        """Of each partition's members."""
        of_partitions = {partition.key: measured[self.rows(partition)] for partition in self.partitions}
        return {key: mean_measured(members) if members else None for key, members in of_partitions.items()}

    # -----------------------------------------------------------------------------------------------------------------
    # The end

    def _publish(self) -> dict[str, Artefact]:
        """Every partition's artefact; the other ranks wait for the first to write them."""
        artefacts = {}
        self.sound = {}  # the memory is wanted for what is written
        for partition in self.partitions if self.ranks.first else ():
            networks = self._networks_of_each(self.rows(partition))
            generator = self.network.generator(1)
            last_rows = self.last_rows[partition.key]
            artefacts[partition.key] = partition.publish(generator, networks, last_rows, self._run_details())
        self.ranks.wait()
        return artefacts or {each.key: _require_published(each) for each in self.partitions}

    def _networks_of_each(self, rows: slice) -> list[dict[str, Tensor]]:
        """Of neighbouring members, not copied: a stack of them all would take as much again."""
        if self.ensemble is None:
            return []
        return [self.ensemble.networks(slice(at, at + 1)) for at in range(rows.start, rows.stop)]

    def _run_details(self) -> RunDetails:
        return RunDetails(
            device=device_name(self.device),
            seconds=round(self.clock.seconds(), 1),
            images_per_second=round(self.clock.images_per_second()),
            resumed_at_step=self.start,
            trained_together=sum(partition.settings.members for partition in self.partitions),
            processes=self.ranks.count,
            system=self.system.read().facts(),
        )


def _require_published(partition: Partition) -> Artefact:
    found = find_intact(partition.folder, partition.fingerprint)
    if found is None:
        raise FileNotFoundError(f"{partition.folder}: the first process left no trained networks there; see its log")
    return found


def expect_trainable(partition: Partition, ranks: Ranks) -> None:
    """Raise one sentence where these settings cannot be trained on this data set by these processes."""
    settings, where = partition.settings, partition.name
    train_split, test_split = load_split(partition.tensors, "train"), load_split(partition.tensors, "test")
    try:
        with torch.device("meta"):  # to look at, without memory
            partition.network.generator(1)
            discriminator = partition.network.discriminator(1)
        for batch_size in (settings.batch_size, settings.objective.generator_batch_size):
            ranks.share(batch_size)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    for found, expected, what, name in (
        (len(train_split), settings.batch_size, "training", "batch_size"),
        (len(test_split), settings.evaluation_images, "held-out", "evaluation_images"),
    ):
        if found < expected:
            raise ValueError(f"{where}: found {found} {what} images, expected at least {name}={expected}")
    penalised = settings.objective.gradient_penalty > 0 or settings.objective.r1 > 0
    normalised = any(isinstance(layer, BatchNorm) for layer in discriminator.modules())
    if ranks.count > 1 and penalised and normalised:
        raise ValueError(
            f"{where}: found a gradient penalty or R1 on a discriminator with batch normalisation for "
            f"{ranks.count} processes, expected one process: its second derivatives stay within a process"
        )
