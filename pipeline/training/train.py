"""Train: from the settings of partitions to their artefacts, all partitions of equal shape in one loop.

In: the resolved settings of one or more partitions of a recipe, and the data set's tensors.
Out: one training artefact a partition. A partition whose artefact is already there with the same fingerprint is not
trained again; one that was interrupted, or trained for a shorter budget, goes on from its last checkpoint; the others
are stacked, configurations times members, and trained together.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from pipeline.settings import TrainingSettings
from pipeline.storage.artefact import Artefact, find_intact
from pipeline.storage.paths import Paths
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.engine.device import choose_device, device_name
from pipeline.training.engine.ensemble import stack_sizes
from pipeline.training.engine.ranks import ALONE, Ranks
from pipeline.training.partition import Partition
from pipeline.training.records.progress import Observation
from pipeline.training.sweep import Sweep
from pipeline.training.trainable import expect_trainable

log = logging.getLogger(__name__)


def train(
    partitions: Sequence[TrainingSettings],
    tensors: Artefact,
    paths: Paths,
    *,
    force: bool = False,
    ranks: Ranks = ALONE,
    checkpoint_interval_steps: int | None = None,
) -> dict[str, Artefact]:
    """The training artefact of each partition, by optimizer key; see `train_watched`."""
    watched = train_watched(
        partitions, tensors, paths, force=force, ranks=ranks, checkpoint_interval_steps=checkpoint_interval_steps
    )
    while True:
        try:
            next(watched)
        except StopIteration as end:
            artefacts: dict[str, Artefact] = end.value
            return artefacts


def train_watched(
    settings: Sequence[TrainingSettings],
    tensors: Artefact,
    paths: Paths,
    *,
    force: bool = False,
    ranks: Ranks = ALONE,
    checkpoint_interval_steps: int | None = None,
) -> Generator[Observation, None, dict[str, Artefact]]:
    """Train, yield observations on the way, and return the artefact of each partition by optimizer key.

    Checkpoints are written every minute, or every `checkpoint_interval_steps`. `force` trains from step 0 whatever is
    there. Partitions that cannot share a loop train in turn, and the log says why.
    """
    artefacts: dict[str, Artefact] = {}
    waiting: list[Partition] = []
    for each in settings:
        partition = Partition(each, tensors, paths)
        found = None if force else find_intact(partition.folder, partition.fingerprint)
        if found is not None:
            log.info("%s: unchanged, not trained again", partition.name)
            artefacts[partition.key] = found
        else:
            expect_trainable(partition, ranks)
            waiting.append(partition)
    _expect_distinct(waiting)
    with ExitStack() as stack:
        if ranks.first:
            for partition in sorted(waiting, key=lambda each: each.key):
                stack.enter_context(partition.checkpoints.locked())
                partition.clear_away(checkpoints_too=force)
        ranks.wait()  # nobody reads before that
        begun = [each for group in _stackable(waiting) for each in _resumable(group)]
        ranks.wait()  # nobody writes before all have read
        for group, checkpoints in begun:
            if ranks.first:
                _announce(group, checkpoints, ranks)
            artefacts.update((yield from Sweep(group, checkpoints, ranks, checkpoint_interval_steps).run()))
    return artefacts


def _expect_distinct(partitions: Sequence[Partition]) -> None:
    keys = [partition.key for partition in partitions]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ValueError(f"configurations to train: found {', '.join(twice)} more than once, expected each once")


# ---------------------------------------------------------------------------------------------------------------------
# What trains together


def _shared(partition: Partition) -> dict[str, Any]:
    """What all partitions in one loop have in common, by the name under which the log speaks of it."""
    settings, objective = partition.settings, partition.settings.objective
    return {
        "network": settings.network,
        "width": settings.width,
        "batch_size": settings.batch_size,
        "steps": settings.steps,
        "history_interval_steps": settings.history_interval_steps,
        "snapshot_interval_steps": settings.snapshot_interval_steps,
        "evaluation_images": settings.evaluation_images,
        "precision": settings.precision,
        "ema": settings.ema_decay is not None,
        "loss": objective.loss,
        "discriminator_update": objective.discriminator_update,
        "n_critic": objective.n_critic,
        "generator_batch_size": objective.generator_batch_size,
        "generated_in": objective.generated_in,
        "label_flip": objective.label_flip > 0,
        "instance_noise": objective.instance_noise > 0,
        "instance_noise_steps": objective.instance_noise_steps,
        "gradient_penalty": objective.gradient_penalty > 0,
        "r1": objective.r1 > 0,
        "weight_clip": objective.weight_clip is not None,
        "spectral_norm": objective.spectral_norm,
        "dropout": bool(settings.dropout) and partition.network.has_dropout,
    }


def _stackable(partitions: Sequence[Partition]) -> list[list[Partition]]:
    """Partitions grouped by what a loop has once, in the given order; several groups are logged with what differs."""
    groups: list[list[Partition]] = []
    for partition in partitions:
        alike = [group for group in groups if _shared(group[0]) == _shared(partition)]
        if alike:
            alike[0].append(partition)
        else:
            groups.append([partition])
    if len(groups) > 1:
        described = "; ".join(f"{_keys(group)}: {_differing(group, groups)}" for group in groups)
        log.info("training in %d groups, one after another (%s)", len(groups), described)
    return groups


def _differing(group: list[Partition], groups: list[list[Partition]]) -> str:
    """What a group does not share with every other, such as `batch_size 16`."""
    own, all_shared = _shared(group[0]), [_shared(each[0]) for each in groups]
    return ", ".join(f"{name} {own[name]}" for name in own if len({shared[name] for shared in all_shared}) > 1)


def _keys(group: Iterable[Partition]) -> str:
    return ", ".join(partition.key for partition in group)


# ---------------------------------------------------------------------------------------------------------------------
# Where it goes on


Begun = tuple[list[Partition], list[Checkpoint] | None]  # partitions of one loop, and their checkpoints of one step


def _resumable(group: list[Partition]) -> list[Begun]:
    """A group with the newest checkpoints that all its partitions have, or split where they have none in common."""
    found = [{each.step: each for each in _intact(partition)} for partition in group]
    common = set.intersection(*(set(checkpoints) for checkpoints in found))
    if common:
        return [(group, [checkpoints[max(common)] for checkpoints in found])]
    by_step: dict[int, Begun] = {}
    for partition, checkpoints in zip(group, found, strict=True):
        newest = max(checkpoints, default=0)
        partitions, of_partitions = by_step.setdefault(newest, ([], [] if newest else None))
        partitions.append(partition)
        if of_partitions is not None:
            of_partitions.append(checkpoints[newest])
    if len(by_step) > 1:
        steps = "; ".join(f"{_keys(partitions)}: step {step:,}" for step, (partitions, _) in by_step.items())
        log.info(
            "training in %d groups, one after another, since they go on from unlike steps (%s)", len(by_step), steps
        )
    return list(by_step.values())


def _intact(partition: Partition) -> list[Checkpoint]:
    found = [partition.checkpoints.load(step) for step in partition.checkpoints.steps(partition.settings.steps)]
    return [checkpoint for checkpoint in found if checkpoint is not None]


def _announce(group: list[Partition], checkpoints: list[Checkpoint] | None, ranks: Ranks) -> None:
    settings = group[0].settings
    members = sum(partition.settings.members for partition in group)
    network, device = group[0].network, choose_device()
    log.info(
        "%s: training %s: %s%s, %s steps of batch %d, on %s%s%s",
        settings.recipe,
        _keys(group),
        "1 member" if members == 1 else f"{members} members",
        _as_stacks(stack_sizes(members, network, device)),
        f"{settings.steps:,}",
        settings.batch_size,
        device_name(device),
        f", by {ranks.count} processes" if ranks.count > 1 else "",
        f", from step {checkpoints[0].step:,}" if checkpoints else "",
    )
    for partition in group:
        dropout = partition.settings.dropout
        if dropout is not None and not network.has_dropout:
            message = "%s: network %s has no dropout layers, so the configuration's dropout %g changes nothing"
            log.info(message, partition.name, settings.network, dropout)


def _as_stacks(sizes: Sequence[int]) -> str:
    if len(sizes) == 1:
        return " as one model"
    if max(sizes) == 1:
        return " one after another (convolutions on a CPU gain nothing from a stack)"
    return f" as {len(sizes)} models of up to {max(sizes)}"
