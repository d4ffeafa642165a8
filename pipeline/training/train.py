"""Train: from the settings of partitions to their artefacts, all partitions of equal shape in one loop.

In: the resolved settings of one or more partitions of a recipe, and the data set's tensors.
Out: one training artefact a partition. A partition whose artefact is already there with the same fingerprint is not
trained again; the others are stacked, configurations times members, and trained together.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.networks import architecture
from pipeline.networks.layers import Stacked
from pipeline.settings import TrainingSettings
from pipeline.storage.artefact import Artefact, find_intact, fingerprint, publish, staging_folder, write_json
from pipeline.storage.paths import Paths
from pipeline.storage.weights import save_weights
from pipeline.tensors.load import load_split
from pipeline.training import CODE_VERSION
from pipeline.training.device import choose_device, device_name
from pipeline.training.engine import Ensemble, Member
from pipeline.training.history import Evaluation, HistoryRow, IntervalMean, interval_rows, write_history
from pipeline.training.snapshots import Snapshots

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 5.0


def training_fingerprint(settings: TrainingSettings, tensors: Artefact) -> str:
    """What decides a partition's weights: its settings and the data."""
    return fingerprint("training", CODE_VERSION, settings=settings.to_json(), tensors=tensors.fingerprint)


def train(
    partitions: Sequence[TrainingSettings], tensors: Artefact, paths: Paths, *, force: bool = False
) -> dict[str, Artefact]:
    """The training artefact of each partition, by optimizer key. Partitions of unlike batch size train in turn."""
    artefacts: dict[str, Artefact] = {}
    for settings in partitions:
        found = find_intact(_folder(settings, paths), training_fingerprint(settings, tensors))
        if found is not None and not force:
            log.info("%s %s: unchanged, not trained again", settings.recipe, settings.optimizer)
            artefacts[settings.optimizer] = found
    waiting = [settings for settings in partitions if settings.optimizer not in artefacts]
    for group in _stackable(waiting):
        artefacts.update(_Sweep(group, tensors, paths).run())
    return artefacts


SHARED_FIELDS = (  # of all partitions in one loop
    *("recipe", "network", "batch_size", "steps"),
    *("history_interval_steps", "snapshot_interval_steps", "evaluation_images"),
)


def _stackable(partitions: Sequence[TrainingSettings]) -> list[list[TrainingSettings]]:
    """Partitions grouped by the fields a loop has once, each group in the given order; several groups are logged."""

    def shape(settings: TrainingSettings) -> tuple[Any, ...]:
        return tuple(getattr(settings, name) for name in SHARED_FIELDS)

    groups = [list(group) for _, group in itertools.groupby(sorted(partitions, key=shape), key=shape)]
    differing = [name for name in SHARED_FIELDS if len({getattr(group[0], name) for group in groups}) > 1]
    if differing:
        members = "; ".join(
            f"{', '.join(each.optimizer for each in group)}: "
            + ", ".join(f"{name} {getattr(group[0], name)}" for name in differing)
            for group in groups
        )
        log.info("training in %d groups, one after another (%s)", len(groups), members)
    return groups


def _folder(settings: TrainingSettings, paths: Paths) -> Path:
    return paths.training(settings.recipe, settings.optimizer)


@dataclass
class _Sweep:
    """One loop over the stacked members of several partitions."""

    partitions: list[TrainingSettings]
    tensors: Artefact
    paths: Paths

    def __post_init__(self) -> None:
        first = self.partitions[0]
        self.steps, self.recipe = first.steps, first.recipe
        self.members = [Member(settings, index) for settings in self.partitions for index in range(settings.members)]
        stops = list(itertools.accumulate(settings.members for settings in self.partitions))
        self.rows = [
            slice(stop - settings.members, stop) for settings, stop in zip(self.partitions, stops, strict=True)
        ]
        self.device = choose_device()
        train_split, test_split = load_split(self.tensors, "train"), load_split(self.tensors, "test")
        self.network = architecture(first.network)
        _expect_shape(self.network.IMAGE_SHAPE, train_split.pixels.shape[1:], first)
        self.ensemble = Ensemble(self.members, self.network, torch.tensor(train_split.pixels), self.device)
        self.evaluation = Evaluation(self.ensemble, torch.tensor(test_split.pixels), first.evaluation_images)
        self.history: list[HistoryRow] = []

    def run(self) -> dict[str, Artefact]:
        """Train, and publish every partition's artefact."""
        self._announce()
        with ExitStack() as stack:
            staged = [stack.enter_context(staging_folder(_folder(each, self.paths))) for each in self.partitions]
            seconds = self._loop(staged)
            published = [self._publish(index, folder, seconds) for index, folder in enumerate(staged)]
        return dict(zip((settings.optimizer for settings in self.partitions), published, strict=True))

    def _announce(self) -> None:
        names = ", ".join(settings.optimizer for settings in self.partitions)
        log.info(
            "%s: training %s: %s as one model, %s steps of batch %d, on %s",
            self.recipe,
            names,
            "1 member" if len(self.members) == 1 else f"{len(self.members)} members",
            f"{self.steps:,}",
            self.partitions[0].batch_size,
            device_name(self.device),
        )
        for settings in self.partitions:
            if settings.dropout is not None and not self.network.HAS_DROPOUT:
                message = "%s %s: network %s has no dropout layers, so the configuration's dropout %g changes nothing"
                log.info(message, self.recipe, settings.optimizer, settings.network, settings.dropout)

    def _loop(self, staged: list[Path]) -> float:
        first = self.partitions[0]
        snapshots = Snapshots(self.ensemble)
        folders = [(folder / "snapshots", rows) for folder, rows in zip(staged, self.rows, strict=True)]
        snapshots.take(0, folders)
        progress = _Progress(self)
        interval = IntervalMean()
        for step in range(1, self.steps + 1):
            interval.add(self.ensemble.step(step - 1))
            if step % first.history_interval_steps == 0 or step == self.steps:
                evaluated = self.evaluation.at(step)
                self.history += interval_rows(self.ensemble, interval.take(), evaluated, step, progress.seconds())
                progress.tell(step)
            if step % first.snapshot_interval_steps == 0 or step == self.steps:
                snapshots.take(step, folders)
        return progress.seconds()

    def _publish(self, index: int, folder: Path, seconds: float) -> Artefact:
        settings, rows = self.partitions[index], self.rows[index]
        members = range(len(self.members))[rows]
        save_weights(folder / "generator.safetensors", self._part(self.ensemble.generator, rows))
        save_weights(folder / "discriminator.safetensors", self._part(self.ensemble.discriminator, rows))
        write_json(folder / "settings.json", settings.to_json())
        history = [row for at, row in enumerate(self.history) if at % len(self.members) in members]
        write_history(folder / "history.parquet", history)
        finite = self.ensemble.finite_members()[rows]
        diverged = [member for member, sound in enumerate(finite) if not sound]
        if diverged:
            log.warning("%s %s: members %s diverged: lower its rates", self.recipe, settings.optimizer, diverged)
        details = {
            "recipe": settings.recipe,
            "optimizer": settings.optimizer,
            "network": settings.network,
            "tensors": self.tensors.fingerprint,
            "steps": settings.steps,
            "members": settings.members,
            "diverged_members": diverged,
            "seed": settings.seed,
            "device": device_name(self.device),
            "seconds": round(seconds, 1),
            "trained_together": len(self.members),
            "source": self.tensors.details["source"],
        }
        return publish(folder, _folder(settings, self.paths), training_fingerprint(settings, self.tensors), details)

    @staticmethod
    def _part(network: Stacked, rows: slice) -> dict[str, torch.Tensor]:
        return {name: value[rows] for name, value in network.state_dict().items()}


def _expect_shape(network_shape: tuple[int, ...], data_shape: tuple[int, ...], settings: TrainingSettings) -> None:
    if tuple(network_shape) != tuple(data_shape):
        raise ValueError(
            f"recipe {settings.recipe}: network {settings.network} draws images of {tuple(network_shape)}, "
            f"but the data set's are {tuple(data_shape)}; choose a network for that shape"
        )


class _Progress:
    """Tells how far a sweep is: step, losses, images a second, time left; at most every few seconds."""

    def __init__(self, sweep: _Sweep) -> None:
        self.sweep = sweep
        self.start = time.monotonic()
        self.told = self.start

    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.start

    def tell(self, step: int) -> None:
        """Log one line, if it is time or the last step."""
        now = time.monotonic()
        if now - self.told < PROGRESS_SECONDS and step < self.sweep.steps:
            return
        self.told = now
        log.info("%s", self.line(step, now - self.start))

    def line(self, step: int, seconds: float) -> str:
        """Such as `mnist_mlp 1,200/4,500 | rmsprop D 0.61+0.52 G 1.20 | 25,000 images/s | 1:12 left`."""
        sweep = self.sweep
        images_per_second = step * sweep.partitions[0].batch_size * len(sweep.members) / max(seconds, 1e-9)
        minutes, rest = divmod(round(seconds / step * (sweep.steps - step)), 60)
        losses = [
            self._losses(settings.optimizer, rows) for settings, rows in zip(sweep.partitions, sweep.rows, strict=True)
        ]
        parts = [f"{sweep.recipe} {step:,}/{sweep.steps:,}", *losses]
        return " | ".join([*parts, f"{images_per_second:,.0f} images/s", f"{minutes}:{rest:02d} left"])

    def _losses(self, optimizer: str, rows: slice) -> str:
        latest = self.sweep.history[-len(self.sweep.members) :][rows]
        real, generated, generator = (
            sum(getattr(row, name) for row in latest) / len(latest)
            for name in ("discriminator_loss_real", "discriminator_loss_generated", "generator_loss")
        )
        return f"{optimizer} D {real:.2f}+{generated:.2f} G {generator:.2f}"
