"""Train: from the settings of partitions to their artefacts, all partitions of equal shape in one loop.

In: the resolved settings of one or more partitions of a recipe, and the data set's tensors.
Out: one training artefact per partition. A partition with an intact artefact of the same settings is not trained again
if that has enough members. If it has fewer, only the missing members are trained. A partition that was interrupted, or
trained for a shorter budget, continues from its last checkpoint. The members of all partitions that can share a loop
are stacked and trained together.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.device import choose_device, device_name
from pipeline.objectives import ObjectiveSettings
from pipeline.settings import TrainingSettings
from pipeline.storage.artefact import Artefact
from pipeline.storage.identity import Identity
from pipeline.storage.paths import Paths
from pipeline.tables import fields_of
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.earlier import DEFAULT_COUNT, restore_earlier
from pipeline.training.engine.ensemble import stack_sizes
from pipeline.training.engine.ranks import ALONE, Ranks
from pipeline.training.identity import training_identity
from pipeline.training.kept_members import count_members, find_members
from pipeline.training.partition import Partition
from pipeline.training.records.progress import Observation
from pipeline.training.sweep import Sweep
from pipeline.training.trainable import expect_trainable

log = logging.getLogger(__name__)

# Every other setting must be equal in all partitions of a loop, also one that is added later.
PER_MEMBER = {"recipe", "optimizer", "generator", "discriminator", "seed", "members", "objective", "real_label"}
# A loop computes these for all its members or for none; their values may differ between members.
ON_OR_OFF = {"ema_decay", "dropout", "label_flip", "instance_noise", "gradient_penalty", "r1", "weight_clip"}


def train(
    partitions: Sequence[TrainingSettings],
    tensors: Artefact,
    paths: Paths,
    *,
    force: bool = False,
    ranks: Ranks = ALONE,
    checkpoint_interval_steps: int | None = None,
    earlier_trainings: int = DEFAULT_COUNT,
) -> dict[str, Artefact]:
    """Return the training artefact of each partition by optimizer key; `train_watched` explains the parameters."""
    watched = train_watched(
        partitions,
        tensors,
        paths,
        force=force,
        ranks=ranks,
        checkpoint_interval_steps=checkpoint_interval_steps,
        earlier_trainings=earlier_trainings,
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
    earlier_trainings: int = DEFAULT_COUNT,
) -> Generator[Observation, None, dict[str, Artefact]]:
    """Train, yield observations, and return the artefact of each partition by optimizer key.

    An artefact may have more members than its settings name. Checkpoints are written every minute, or every
    `checkpoint_interval_steps`. `force` trains all members again from step 0, also those beyond the requested number.
    Partitions that cannot share a loop train one after another, and the log names the difference. A partition keeps the
    weights of so many `earlier_trainings` of other settings.
    """
    if ranks.first and not force:
        for partition_settings in settings:
            folder, identity = _place(partition_settings, tensors, paths)
            restore_earlier(folder, identity, earlier_trainings=earlier_trainings)
    ranks.wait()  # every rank reads after the first has restored
    artefacts: dict[str, Artefact] = {}
    waiting: list[Partition] = []
    for requested in settings:
        stored = find_members(*_place(requested, tensors, paths))
        if stored is not None and count_members(stored) >= requested.members and not force:
            _log_unchanged(requested, stored)
            artefacts[requested.optimizer] = stored
        else:
            wanted = _with_all_members(requested, stored) if force else requested
            partition = Partition(wanted, tensors, paths, None if force else stored, earlier_trainings)
            expect_trainable(partition, ranks)
            waiting.append(partition)
    _expect_distinct(waiting)
    with ExitStack() as stack:
        if ranks.first:
            # One order for all processes: two that lock the same partitions cannot wait for each other.
            for partition in sorted(waiting, key=lambda partition: partition.key):
                stack.enter_context(partition.checkpoints.locked())
                partition.adopt_checkpoints()
                partition.clear_away(checkpoints_too=force)
        ranks.wait()  # every rank reads after the first has cleared away
        loops = [loop for group in _stackable(waiting) for loop in _resumable(group)]
        ranks.wait()  # the first rank writes after all have read
        for group, checkpoints in loops:
            if ranks.first:
                _announce(group, checkpoints, ranks)
            artefacts.update((yield from Sweep(group, checkpoints, ranks, checkpoint_interval_steps).run()))
    return artefacts


def _place(settings: TrainingSettings, tensors: Artefact, paths: Paths) -> tuple[Path, Identity]:
    """Return the folder of a partition's artefact, and the identity that it should have."""
    return paths.training(settings.recipe, settings.optimizer), training_identity(settings, tensors)


def _with_all_members(settings: TrainingSettings, stored: Artefact | None) -> TrainingSettings:
    """Return the settings with as many members as are stored: training again must not lose any."""
    return settings if stored is None else replace(settings, members=max(settings.members, count_members(stored)))


def _log_unchanged(settings: TrainingSettings, stored: Artefact) -> None:
    stored_members, more = count_members(stored), ""
    if stored_members > settings.members:
        more = f": {stored_members} members are there, {settings.members} requested"
    log.info("%s %s: unchanged, not trained again%s", settings.recipe, settings.optimizer, more)


def _expect_distinct(partitions: Sequence[Partition]) -> None:
    keys = [partition.key for partition in partitions]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ValueError(f"configurations to train: found {', '.join(twice)} more than once, expected each once")


# ---------------------------------------------------------------------------------------------------------------------
# Partitions that train together


def _shared(partition: Partition) -> dict[str, Any]:
    """Return the settings that all partitions of one loop must share, by their name in the log."""
    settings = partition.settings
    values = {name: getattr(settings, name) for name in fields_of(TrainingSettings)}
    values |= {name: getattr(settings.objective, name) for name in fields_of(ObjectiveSettings)}
    # A network without dropout layers ignores the rate.
    values["dropout"] = settings.dropout if partition.network.has_dropout else None
    return {
        name: bool(value) if name in ON_OR_OFF else value for name, value in values.items() if name not in PER_MEMBER
    }


def _stackable(partitions: Sequence[Partition]) -> list[list[Partition]]:
    """Return the partitions in groups that can share a loop, in the given order. Log the differences of groups."""
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
    """Return the settings of a group that differ between groups, such as `batch_size 16`."""
    values, values_of_groups = _shared(group[0]), [_shared(other[0]) for other in groups]
    differing = [name for name in values if len({shared[name] for shared in values_of_groups}) > 1]
    return ", ".join(f"{name} {values[name]}" for name in differing)


def _keys(group: Iterable[Partition]) -> str:
    return ", ".join(partition.key for partition in group)


# ---------------------------------------------------------------------------------------------------------------------
# Checkpoints to continue from


Loop = tuple[list[Partition], list[Checkpoint] | None]  # partitions of one loop, and their checkpoints of one step


def _resumable(group: list[Partition]) -> list[Loop]:
    """Return a group with the newest checkpoints that all its partitions share, split if they share none."""
    intact = [{checkpoint.step: checkpoint for checkpoint in _intact(partition)} for partition in group]
    common = set.intersection(*(set(checkpoints) for checkpoints in intact))
    if common:
        return [(group, [checkpoints[max(common)] for checkpoints in intact])]
    by_step: dict[int, Loop] = {}
    for partition, checkpoints in zip(group, intact, strict=True):
        newest = max(checkpoints, default=0)
        partitions, loop_checkpoints = by_step.setdefault(newest, ([], [] if newest else None))
        partitions.append(partition)
        if loop_checkpoints is not None:
            loop_checkpoints.append(checkpoints[newest])
    if len(by_step) > 1:
        steps = "; ".join(f"{_keys(partitions)}: step {step:,}" for step, (partitions, _) in by_step.items())
        log.info(
            "training in %d groups, one after another, since they continue from different steps (%s)",
            len(by_step),
            steps,
        )
    return list(by_step.values())


def _intact(partition: Partition) -> list[Checkpoint]:
    checkpoints = [partition.checkpoints.load(step) for step in partition.checkpoints.steps(partition.settings.steps)]
    return [checkpoint for checkpoint in checkpoints if checkpoint is not None]


def _announce(group: list[Partition], checkpoints: list[Checkpoint] | None, ranks: Ranks) -> None:
    settings = group[0].settings
    members = sum(len(partition.members) for partition in group)
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
        if partition.kept is not None:
            kept, added = _in_words(range(partition.members.start)), _in_words(partition.members)
            log.info("%s: keeps %s, trains %s", partition.name, kept, added)
        dropout = partition.settings.dropout
        if dropout is not None and not network.has_dropout:
            message = "%s: network %s has no dropout layers, so the configuration's dropout %g changes nothing"
            log.info(message, partition.name, settings.network, dropout)


def _in_words(members: range) -> str:
    first, last = members.start, members.stop - 1
    return f"member {first}" if first == last else f"members {first} to {last}"


def _as_stacks(sizes: Sequence[int]) -> str:
    if len(sizes) == 1:
        return " as one model"
    if max(sizes) == 1:
        return " one after another (convolutions on a CPU gain nothing from a stack)"
    return f" as {len(sizes)} models of up to {max(sizes)}"
